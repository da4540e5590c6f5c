#include "loop.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <unistd.h>

#include "connection.hpp"
#include "process.hpp"

namespace bench {

namespace {

constexpr std::size_t most_events = 512;
constexpr std::chrono::milliseconds glance{20};

}   // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), events_(most_events), input_(largest_read) {}
Loop::~Loop() { close(epoll_); }

bool Loop::turn(std::chrono::nanoseconds longest) {
    flush_all();
    const auto wait = std::max(longest, std::chrono::nanoseconds::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
    const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (wait - seconds).count()};
    const int count = epoll_pwait2(epoll_, events_.data(), static_cast<int>(events_.size()), &timeout, nullptr);
    if (count < 0 && errno != EINTR) throw std::runtime_error{std::string{"epoll: "} + std::strerror(errno)};
    for (int i = 0; i < count; ++i) {
        const auto& event = events_[static_cast<std::size_t>(i)];
        static_cast<Connection*>(event.data.ptr)->handle(event.events);
    }
    flush_all();
    return count > 0;
}

void Loop::run_for(double seconds) {
    run_until([] { return false; }, seconds);
}

bool Loop::run_until(const std::function<bool()>& condition, double seconds) {
    const auto end = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
    for (;;) {
        if (condition()) return true;
        const auto now = now_ns();
        if (now >= end) return false;
        turn(std::min<std::chrono::nanoseconds>(glance, std::chrono::nanoseconds{end - now}));
    }
}

void Loop::watch(Connection& connection, bool is_new, bool wants_to_write) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (wants_to_write) event.events |= EPOLLOUT;
    event.data.ptr = &connection;
    if (epoll_ctl(epoll_, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, connection.fd_, &event) != 0)
        throw std::runtime_error{std::string{"epoll_ctl: "} + std::strerror(errno)};
}

void Loop::flush_all() {
    for (std::size_t i = 0; i < unflushed_.size(); ++i) unflushed_[i]->flush();   // it may grow on the way
    unflushed_.clear();
}

}   // namespace bench
