// What tambod tells systemd and gets from it. Without systemd all of this does nothing.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <tambo/server.hpp>

namespace systemd {

/// sd_listen_fds(3): sockets that systemd has opened, by FileDescriptorName=. To be called once, before any thread.
/// Throws std::runtime_error with a sentence.
std::vector<tambo::Server::Socket> sockets();

/// sd_notify(3).
void ready(const std::string& status);
void reloading();
void stopping();

/// sd_watchdog_enabled(3): as long as it lives and every shard answers, systemd hears so. A shard that stands still
/// ends this, and in due time systemd ends the process.
class Watchdog {
public:
    explicit Watchdog(tambo::Server& server);
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

private:
    void watch(std::chrono::microseconds pause);
    void look(std::chrono::microseconds pause);

    tambo::Server& server_;
    std::mutex lock_;
    std::condition_variable changed_;
    bool is_over_ = false, is_stuck_ = false;
    std::thread thread_;
};

}   // namespace systemd
