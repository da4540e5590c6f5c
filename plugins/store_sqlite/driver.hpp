// The store driver over one SQLite file. Knows nothing of modules, so that tests and tools can use it alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include <tambo/store.hpp>

namespace tambo::sqlite {

struct Settings {
    std::filesystem::path file;
    std::uint64_t cache_bytes = std::uint64_t{8} << 20;
    std::chrono::milliseconds busy_timeout{5000};   ///< how long to wait while somebody looks at it with sqlite3(1)
    bool check = false;                             ///< read the whole file for damage before using it
};

/// Opens the file, or makes it (mode 0600, its folder 0700). Brings an older schema up to date; never touches a file
/// that is damaged, from a newer version, or from another program. Throws std::runtime_error with a sentence that names
/// the file and what to do. One thread uses the driver; several drivers may have the same file open.
std::unique_ptr<StoreDriver> open(const Settings& settings);

}   // namespace tambo::sqlite
