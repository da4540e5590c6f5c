// Empties a server of its clients, a few at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <tambo/option.hpp>

namespace tambo {

struct Kernel;

/// Sends clients away in waves, each chosen by lot, so that whoever takes them in is not overrun. Sessions that can be
/// resumed lose their connection and stay; all others end with the stream error system-shutdown. From the first wave on
/// nobody is let in, until cancel(). Clients within this process are the program's own and stay.
///
/// Works on the supervisor's loop; asked from any thread.
class Drain {
public:
    struct Progress {
        bool is_on = false;          ///< waves are still to come
        bool is_closed = false;      ///< nobody is let in
        std::uint64_t left = 0;      ///< connections
        std::uint64_t ended = 0;     ///< connections that were closed, with their sessions if they had any
        std::uint64_t waiting = 0;   ///< sessions that lost their connection and can be resumed
    };

    Drain(Kernel& kernel, boost::asio::io_context& loop, std::function<void()> stop_server);
    ~Drain();

    /// False: one is under way.
    bool begin(Duration over, bool then_stop);
    /// Lets clients in again; whoever was sent away may come back. False: there is nothing to cancel.
    bool cancel();
    Progress progress() const;
    void halt();   ///< the loop is about to end

private:
    struct Tally {
        std::atomic<std::uint64_t> ended{0}, waiting{0};
    };
    void wave();
    void finish();

    Kernel& kernel_;
    const std::function<void()> stop_server_;
    mutable std::mutex lock_;   // for all below
    boost::asio::steady_timer timer_;
    Duration step_{};
    unsigned waves_left_ = 0;
    bool then_stop_ = false;
    std::shared_ptr<Tally> tally_;   // shared with shards that are on their way through it
};

}   // namespace tambo
