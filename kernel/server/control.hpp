// The control socket: what tamboctl talks to.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/thread_pool.hpp>

#include <tambo/log.hpp>

namespace tambo {

/// Owner-only. A request is a line of words, separated by U+001F and ended by U+001E; the answer is pieces of text,
/// each as `+BYTES` in a line and then that many bytes, and at last `=CODE` in a line. tamboctl(1) is told to nobody
/// else: the two come from one build.
///
/// Requests are read on the supervisor's loop and worked off on threads of their own, a few at a time: a command may
/// take as long as it likes, and a client that does not read what it asked for holds up nobody but itself.
class Control {
public:
    /// Takes a piece of the answer; blocks while the client does not read. Throws std::runtime_error when it is gone.
    using Out = std::function<void(std::string_view piece)>;
    /// Gives the exit code. What it throws becomes an answer with exit code 1.
    using Command = std::function<int(const std::vector<std::string>& words, const Out& out)>;

    static constexpr std::size_t max_request_bytes = std::size_t{16} << 20;   ///< one account's data on its way here
    static constexpr std::size_t max_visits = 16;                             ///< further clients wait to be let in
    static constexpr unsigned workers = 4;

    /// Takes over the path from a server that died; throws std::runtime_error if one still listens there.
    Control(boost::asio::io_context& io, std::filesystem::path path, Command command, Log& log);
    /// Lets commands that run come to their end, but not wait for a client that does not read. The loop must stand
    /// still.
    ~Control();
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

private:
    struct Shared;
    struct Visit;
    void accept();

    std::filesystem::path path_;
    Log& log_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    std::shared_ptr<Shared> shared_;   // with visits whose handlers the loop still keeps when this is gone
    boost::asio::thread_pool pool_{workers};
};

}   // namespace tambo
