// One thread with many connections: epoll, time in ticks, and connections whose elements are awaited.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/task.hpp>

#include "tls.hpp"
#include "xml_tree.hpp"

namespace load {

using Clock = std::chrono::steady_clock;
using play::Node;

/// The server ended the stream, or the connection broke.
class Dropped : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What a stream that ended as it should says of its end.
constexpr std::string_view closed_politely = "the server closed the stream";

class Stream;

/// Belongs to one thread, like all streams that it serves.
class Loop {
public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Called after each round, at least every few milliseconds.
    void on_round(std::function<void()> job) { jobs_.push_back(std::move(job)); }
    /// Until `is_over`.
    void run(const std::function<bool()>& is_over);
    tambo::Later<tambo::Nothing> after(std::chrono::milliseconds wait);

private:
    friend class Stream;
    struct Sleeper {
        Clock::time_point due;
        std::shared_ptr<tambo::Later<tambo::Nothing>::State> state;   // shared with who waits
    };
    void wake_sleepers();

    int epoll_;
    std::vector<std::function<void()>> jobs_;
    std::vector<Sleeper> sleepers_;
    std::vector<Stream*> unflushed_;
    std::vector<std::pair<Stream*, std::uint32_t>> ready_;   // streams that go meanwhile are struck out
};

/// What the bytes on the wire mean.
class Speech {
public:
    virtual ~Speech() = default;
    virtual std::string header(std::string_view domain) = 0;
    virtual std::string say(std::string_view xml) = 0;
    virtual std::string goodbye() = 0;
    /// False: the other side has closed its stream.
    virtual bool hear(std::string_view bytes, std::deque<Node>& elements) = 0;
};
std::unique_ptr<Speech> speak_xml();
std::unique_ptr<Speech> speak_funxmpp();

/// A client's connection. Elements wait here until somebody asks for them.
class Stream {
public:
    Stream(Loop& loop, std::uint16_t port, std::unique_ptr<Speech> speech);
    ~Stream();   ///< the cable is cut
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    void open(std::string_view domain);   ///< a header; also the one of a restart
    void send(std::string_view xml);
    void say_goodbye();
    void start_tls();   ///< from here on; behind it, a header
    /// The next element; nullopt when there will be none: the stream or the connection has ended.
    tambo::Later<std::optional<Node>> next();
    const std::string& why_it_ended() const noexcept { return why_; }

private:
    friend class Loop;
    void write(const std::string& bytes);
    void hear(std::string_view bytes);
    void flush();
    void ready(std::uint32_t events);
    void read();
    void end(std::string why);
    void hand_over();
    void watch_writable(bool wanted);

    Loop& loop_;
    int fd_;
    std::unique_ptr<Speech> speech_;
    std::unique_ptr<Tls> tls_;
    std::string out_;
    std::deque<Node> arrived_;
    std::shared_ptr<tambo::Later<std::optional<Node>>::State> waiter_;   // shared with who waits
    bool is_unflushed_ = false, is_watching_writable_ = false, is_connected_ = false, has_ended_ = false;
    std::string why_;
};

}   // namespace load
