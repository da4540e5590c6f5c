#include "systemd.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <system_error>
#include <systemd/sd-daemon.h>

namespace systemd {

namespace {

void tell(const std::string& state) { ::sd_notify(0, state.c_str()); }

// A status is one line.
std::string one_line(std::string text) {
    for (char& c : text)
        if (c == '\n') c = ' ';
    return text;
}

}   // namespace

std::vector<tambo::Server::Socket> sockets() {
    char** names = nullptr;
    const int count = ::sd_listen_fds_with_names(1, &names);
    if (count < 0)
        throw std::runtime_error{std::string{"sockets from systemd: "} + std::generic_category().message(-count)};
    std::vector<tambo::Server::Socket> all;
    for (int i = 0; i < count; ++i) {
        all.push_back({names[i], SD_LISTEN_FDS_START + i});
        std::free(names[i]);
    }
    std::free(static_cast<void*>(names));
    return all;
}

void ready(const std::string& status) { tell("READY=1\nSTATUS=" + one_line(status)); }

// Type=notify-reload compares this time with its own.
void reloading() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto usec =
        static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
    tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec));
}

void stopping() { tell("STOPPING=1"); }

Watchdog::Watchdog(tambo::Server& server) : server_(server) {
    std::uint64_t usec = 0;
    if (::sd_watchdog_enabled(0, &usec) <= 0) return;
    // A third: one late answer must not end the process.
    thread_ = std::thread{[this, usec] { watch(std::chrono::microseconds{usec / 3}); }};
}

Watchdog::~Watchdog() {
    {
        const std::lock_guard guard{lock_};
        is_over_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Watchdog::watch(std::chrono::microseconds pause) {
    std::unique_lock lock{lock_};
    do {
        lock.unlock();
        look(pause);
        lock.lock();
    } while (!changed_.wait_for(lock, pause, [this] { return is_over_; }));
}

void Watchdog::look(std::chrono::microseconds pause) {
    const auto alive = server_.ping(std::chrono::ceil<tambo::Duration>(pause));
    if (alive) tell("WATCHDOG=1");
    if (!alive && !is_stuck_)
        std::fprintf(stderr, "tambod: %s; the watchdog hears of it\n", alive.error().text.c_str());
    is_stuck_ = !alive;
}

}   // namespace systemd
