// Which sockets of a shard are ready.
#pragma once

#include <cstdint>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace tambo {

/// One epoll for all sockets of a shard; Asio's loop watches that one. A socket asleep costs a pointer here, and one
/// that goes on reading what comes costs no system call to say so again. (What Asio keeps for a descriptor and for an
/// operation on it is half a kilobyte, and each wait is an epoll_ctl.)
///
/// One thread: its shard's.
class Poller {
public:
    /// A descriptor that wants to hear.
    class Watched {
    public:
        /// Perhaps without reason. It may close itself and others.
        virtual void ready(std::uint32_t events) = 0;   ///< EPOLLIN, EPOLLOUT, …
        virtual void poller_is_gone() noexcept = 0;     ///< nothing waits any more

    protected:
        ~Watched() = default;
    };

    explicit Poller(boost::asio::io_context& io);
    ~Poller();
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    /// From now on `who` hears of these events, for as long as they are true (level-triggered); `before`: what it had
    /// asked for. None: it hears nothing more, not even that the peer is gone. False: the system has no room for it.
    bool watch(int descriptor, Watched& who, std::uint32_t events, std::uint32_t before);
    /// The descriptor is about to be closed.
    void forget(int descriptor) noexcept;
    void stop();   ///< the loop does not wait for it any longer

private:
    void wait();
    void work();

    boost::asio::posix::stream_descriptor epoll_;
    std::vector<Watched*> watched_;   // by descriptor
    bool is_waiting_ = false, is_stopped_ = false;
};

}   // namespace tambo
