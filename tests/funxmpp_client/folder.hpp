// A folder of a test's own.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

class Folder {
public:
    Folder() {
        auto name = (std::filesystem::temp_directory_path() / "tambo-client-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string file(const std::string& name) const { return path_ + '/' + name; }

private:
    std::string path_;
};
