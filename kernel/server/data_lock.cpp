#include "server/data_lock.hpp"

#include <cerrno>
#include <fcntl.h>
#include <stdexcept>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

namespace tambo {

namespace {

void make_folder(const std::filesystem::path& folder) {
    std::error_code ec;
    std::filesystem::create_directories(folder, ec);
    if (ec)
        throw std::runtime_error(fmt::format("{}: the data folder cannot be made: {}", folder.string(), ec.message()));
}

// Another server's number, for the operator; it is only text, the lock is what counts.
void write_pid(int descriptor) {
    const auto pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, pid.data(), pid.size(), 0) < 0) return;
}

std::string read_pid(int descriptor) {
    char text[32];
    const auto n = ::pread(descriptor, text, sizeof text, 0);
    return n > 1 ? fmt::format(" (process {})", std::string_view{text, static_cast<std::size_t>(n - 1)})
                 : std::string{};
}

}   // namespace

DataLock::DataLock(const std::filesystem::path& folder) {
    if (folder.empty()) return;   // nothing is kept
    make_folder(folder);
    const auto file = folder / "lock";
    descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor_ < 0)
        throw std::runtime_error(fmt::format("{}: cannot be made: {}; may the server write to its data folder?",
                                             file.string(), std::generic_category().message(errno)));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        const auto who = read_pid(descriptor_);
        ::close(descriptor_);
        throw std::runtime_error(fmt::format(
            "{}: another tambod works with this data folder{}; stop it, or give this one a folder of its own",
            folder.string(), who));
    }
    write_pid(descriptor_);
}

DataLock::~DataLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

}   // namespace tambo
