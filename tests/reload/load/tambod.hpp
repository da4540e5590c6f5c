// A tambod of its own, in a folder of its own, with every module and plugin there is; and what the system says of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include "ctl/client.hpp"

namespace load {

struct Setting {
    std::string section, key, value;
};

/// Resources of a process, from /proc.
struct Footprint {
    std::size_t resident_bytes = 0, mappings = 0, descriptors = 0;
};

class Tambod {
public:
    /// Starts it, and returns when it listens. Throws std::runtime_error with what it said if it does not.
    Tambod(const std::filesystem::path& build, unsigned threads, const std::vector<Setting>& settings);
    ~Tambod();   ///< kills it, if it still runs, and removes its folder
    Tambod(const Tambod&) = delete;
    Tambod& operator=(const Tambod&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    pid_t pid() const noexcept { return pid_; }
    bool is_alive();
    /// What tamboctl would: the exit code, and the answer.
    int ask(const tambo::ctl::Words& words, std::string& answer) const;
    /// Names of all that is loaded.
    std::vector<std::string> modules() const;
    Footprint footprint() const;
    /// How many files of its run directory are mapped: one for each module, if no old one stays.
    std::size_t images() const;
    std::string log() const;
    /// SIGTERM; the exit code, or minus the signal that it died by.
    int stop();
    void keep_folder() noexcept { keeps_folder_ = true; }
    const std::filesystem::path& folder() const noexcept { return folder_; }

private:
    void write_ini(const std::filesystem::path& build, unsigned threads, const std::vector<Setting>& settings) const;
    void launch(const std::filesystem::path& build);
    void await_listener();

    std::filesystem::path folder_;
    tambo::ctl::Client control_;
    pid_t pid_ = -1;
    int status_ = 0;
    std::uint16_t port_ = 0;
    bool keeps_folder_ = false;
};

}   // namespace load
