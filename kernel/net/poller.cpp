#include "net/poller.hpp"

#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <system_error>
#include <utility>

namespace tambo {

namespace {

constexpr int at_once = 256;   // then timers and other shards get their turn

int make_epoll() {
    const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
    if (descriptor < 0) throw std::system_error{errno, std::generic_category(), "epoll_create1"};
    return descriptor;
}

}   // namespace

Poller::Poller(boost::asio::io_context& io) : epoll_(io, make_epoll()) {}

Poller::~Poller() {
    for (auto* who : watched_)
        if (who != nullptr) who->poller_is_gone();
}

bool Poller::watch(int descriptor, Watched& who, std::uint32_t events, std::uint32_t before) {
    const auto place = static_cast<std::size_t>(descriptor);
    if (watched_.size() <= place) watched_.resize(place + 1);
    epoll_event event{};
    event.events = events;
    event.data.fd = descriptor;
    const int change = before == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (::epoll_ctl(epoll_.native_handle(), change, descriptor, &event) != 0) return false;
    watched_[place] = events != 0 ? &who : nullptr;
    wait();
    return true;
}

void Poller::wait() {
    if (is_stopped_ || std::exchange(is_waiting_, true)) return;
    epoll_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](boost::system::error_code ec) {
        if (ec) return;
        is_waiting_ = false;
        work();
        wait();   // what did not fit into one round makes it ready at once
    });
}

// Whoever is closed in this round has left the list by then. If its number is somebody else's already, that one looks
// for nothing.
void Poller::work() {
    std::array<epoll_event, at_once> events;   // NOLINT: not worth clearing
    const int count = ::epoll_wait(epoll_.native_handle(), events.data(), at_once, 0);
    for (int i = 0; i < count; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        if (auto* who = watched_[static_cast<std::size_t>(event.data.fd)]) who->ready(event.events);
    }
}

void Poller::forget(int descriptor) noexcept { watched_[static_cast<std::size_t>(descriptor)] = nullptr; }

void Poller::stop() {
    is_stopped_ = true;
    epoll_.cancel();
}

}   // namespace tambo
