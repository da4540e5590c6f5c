// A pipe between a connection and somebody in this process (tambo/client.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <tambo/client.hpp>

#include "net/connection.hpp"

namespace tambo {

struct Kernel;

/// What both ends share. The lock is the innermost one: nothing is called under it but Shard::post.
class Pipe::Channel {
public:
    static constexpr std::size_t room = std::size_t{64} << 10;   ///< each way

    /// Called on a shard's thread; null if that shard is about to end, and nothing has come any more.
    using Change = std::function<void(Shard*)>;

    explicit Channel(Kernel& kernel) : kernel_(&kernel) {}

    // --- the host's end, any thread
    std::size_t write(std::string_view bytes);
    bool write_all(std::string_view bytes, Duration patience);
    std::string read();
    bool wait(Duration patience);
    bool at_end() const;
    bool is_closed() const;
    void on_change(Change change);
    void close();
    /// Something that is not in the pipe has changed: calls back.
    void tell(Shard* here);
    void nudge();   ///< those who wait look again
    /// Waits until `is_so` or for `patience`; asked again whenever something changes.
    bool wait_for(const std::function<bool()>& is_so, Duration patience);

    // --- the server's end, on the shard
    Transport::Outcome take(std::span<char> into);
    Transport::Outcome put(std::string_view bytes);
    void watch_readable();
    void watch_writable();
    void end_output();
    void leave();
    void enter(Connection& connection);
    void abandon();   ///< the server's end is gone

private:
    void wake_reader();   // both under the lock
    void wake_writer();
    bool can_read() const noexcept { return !to_host_.empty() || ended_; }
    std::size_t free_room() const noexcept { return room - std::min(room, to_server_.size() - taken_); }

    mutable std::mutex lock_;
    std::string to_server_, to_host_;
    std::size_t taken_ = 0;    // of to_server_
    Kernel* kernel_;           // null when the server's end is gone
    Shard* shard_ = nullptr;   // while the server's end is on one
    std::weak_ptr<Connection> connection_;
    bool wants_input_ = false, wants_room_ = false;   // the server's end
    bool was_full_ = false;                           // the host was told to try again later
    bool closed_ = false, ended_ = false;             // by the host, by the server
    bool again_ = false;                              // something changed while the callback ran
    std::vector<std::condition_variable*> waiters_;   // of the threads that wait, on their stacks
    std::atomic<bool> is_calling_{false};
    std::thread::id caller_;
    std::shared_ptr<const Change> change_;   // shared with the call that is running: it may replace itself
};

/// Somebody comes in on that shard. `change` is called as Pipe::on_change() says.
std::shared_ptr<Pipe::Channel> enter_by_pipe(Shard& shard, std::shared_ptr<const Guest> guest,
                                             Pipe::Channel::Change change);

/// The connection's side of it.
class PipeTransport final : public Transport {
public:
    explicit PipeTransport(std::shared_ptr<Pipe::Channel> channel) : channel_(std::move(channel)) {}
    ~PipeTransport() override { channel_->abandon(); }

    Outcome read(std::span<char> into) override { return channel_->take(into); }
    Outcome write(std::string_view bytes) override { return channel_->put(bytes); }
    void wait_readable(std::shared_ptr<Connection>) override { channel_->watch_readable(); }
    void wait_writable(std::shared_ptr<Connection>) override { channel_->watch_writable(); }
    void end_output() noexcept override { channel_->end_output(); }
    int descriptor() const noexcept override { return -1; }
    void leave() override { channel_->leave(); }
    void enter(Connection& connection) override { channel_->enter(connection); }

private:
    const std::shared_ptr<Pipe::Channel> channel_;   // shared with the host's end
};

}   // namespace tambo
