// One server for one data folder.
#pragma once

#include <filesystem>

namespace tambo {

/// Holds `folder`/lock for as long as it lives; the kernel lets go of it however the process ends. Two servers in one
/// process exclude each other as well.
class DataLock {
public:
    /// Makes the folder if there is none. Throws std::runtime_error with a sentence if another server works there. No
    /// folder, no lock.
    explicit DataLock(const std::filesystem::path& folder);
    ~DataLock();
    DataLock(const DataLock&) = delete;
    DataLock& operator=(const DataLock&) = delete;

private:
    int descriptor_ = -1;
};

}   // namespace tambo
