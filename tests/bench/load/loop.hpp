// One thread, epoll, and what was written in a turn leaves at its end: no framework between the clock and the socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <sys/epoll.h>
#include <vector>

namespace bench {

class Connection;

class Loop {
public:
    static constexpr std::size_t largest_read = 256U << 10;

    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Waits so long for something to happen, and handles it. False if nothing did.
    bool turn(std::chrono::nanoseconds longest);
    void run_for(double seconds);
    /// Until it holds, or for so long at most; says whether it holds.
    bool run_until(const std::function<bool()>& condition, double seconds);

    /// When what is being handled was read.
    std::uint64_t read_at() const noexcept { return read_at_; }

private:
    friend class Connection;
    void watch(Connection& connection, bool is_new, bool wants_to_write);
    void flush_all();

    int epoll_;
    std::vector<epoll_event> events_;
    std::vector<Connection*> unflushed_;
    std::vector<char> input_;
    std::uint64_t read_at_ = 0;
};

}   // namespace bench
