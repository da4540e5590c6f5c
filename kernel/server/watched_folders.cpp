#include "server/watched_folders.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/core.h>

namespace tambo {

namespace fs = std::filesystem;

namespace {

constexpr Duration look_for_missing_every{500};
constexpr std::uint32_t wanted = IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::size_t buffer_bytes = std::size_t{16} << 10;

std::string reason(int error) { return std::generic_category().message(error); }

}   // namespace

WatchedFolders::WatchedFolders(const std::vector<fs::path>& folders)
    : inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), interrupted_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (inotify_ < 0 || interrupted_ < 0) {
        const auto why = reason(errno);
        if (inotify_ >= 0) ::close(inotify_);
        if (interrupted_ >= 0) ::close(interrupted_);
        throw std::runtime_error(
            fmt::format("files cannot be watched: {} (see fs.inotify.max_user_instances in sysctl)", why));
    }
    for (const auto& path : folders) watch(folders_.emplace_back(Folder{path, -1, false, {}}));
}

WatchedFolders::~WatchedFolders() {
    ::close(inotify_);
    ::close(interrupted_);
}

bool WatchedFolders::watch(Folder& folder) const {
    folder.watch = ::inotify_add_watch(inotify_, folder.path.c_str(), wanted);
    if (folder.watch >= 0) {
        folder.is_known_to_be_away = false;
        return true;
    }
    if (!std::exchange(folder.is_known_to_be_away, true))
        folder.complaint =
            fmt::format("{} cannot be watched until it is there: {}", folder.path.string(),
                        errno == ENOSPC ? "there are too many watches (fs.inotify.max_user_watches)" : reason(errno));
    return false;
}

std::vector<std::string> WatchedFolders::complaints() {
    std::vector<std::string> all;
    for (auto& folder : folders_)
        if (!folder.complaint.empty()) all.push_back(std::exchange(folder.complaint, {}));
    return all;
}

void WatchedFolders::interrupt() const noexcept {
    constexpr std::uint64_t once = 1;
    if (::write(interrupted_, &once, sizeof once) < 0) return;   // only if it is interrupted already
}

std::set<fs::path> WatchedFolders::wait(Duration at_most) {
    const bool is_one_missing = std::ranges::any_of(folders_, [](const auto& f) { return f.watch < 0; });
    if (is_one_missing) at_most = std::min(at_most, look_for_missing_every);
    std::array<pollfd, 2> ready{{{inotify_, POLLIN, 0}, {interrupted_, POLLIN, 0}}};
    ::poll(ready.data(), ready.size(), static_cast<int>(at_most.count()));
    Files files;
    if (is_one_missing) look_for_missing(files);
    read(files);
    return files;
}

void WatchedFolders::look_for_missing(Files& files) {
    for (auto& folder : folders_)
        if (folder.watch < 0 && watch(folder)) add_all(folder, files);
}

void WatchedFolders::add_all(const Folder& folder, Files& files) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator{folder.path, ignored}) files.insert(entry.path());
}

void WatchedFolders::read(Files& files) {
    alignas(inotify_event) std::array<char, buffer_bytes> buffer{};
    ssize_t got = 0;
    while ((got = ::read(inotify_, buffer.data(), buffer.size())) > 0) {
        for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* name = buffer.data() + at + sizeof event;   // ends in zeros
            at += sizeof event + event.len;
            // More happened than the system remembers: it may have happened to any of them.
            if ((event.mask & IN_Q_OVERFLOW) != 0)
                for (const auto& folder : folders_) add_all(folder, files);
            if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) forget(event.wd);
            if (event.len == 0) continue;
            for (const auto& folder : folders_)
                if (folder.watch == event.wd) files.insert(folder.path / name);
        }
    }
}

// Its path will be another folder's, if anybody's.
void WatchedFolders::forget(int watch) {
    ::inotify_rm_watch(inotify_, watch);
    for (auto& folder : folders_)
        if (folder.watch == watch) folder.watch = -1;
}

}   // namespace tambo
