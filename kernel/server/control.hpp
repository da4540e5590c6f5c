// The control socket: what tamboctl talks to.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <tambo/log.hpp>

namespace tambo {

/// A request is one line of words, separated by unit separators (U+001F); the answer is a line with the exit code, then
/// text until the end. Owner-only. Runs on the supervisor's loop; a command may hold that up, never a shard.
class Control {
public:
    struct Answer {
        int exit_code = 0;
        std::string text;
    };
    using Command = std::function<Answer(const std::vector<std::string>& words)>;

    /// Takes over the path from a server that died; throws std::runtime_error if one still listens there.
    Control(boost::asio::io_context& io, std::filesystem::path path, Command command, Log& log);
    ~Control();

private:
    struct Visit;
    void accept();

    std::filesystem::path path_;
    Command command_;
    Log& log_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
};

}   // namespace tambo
