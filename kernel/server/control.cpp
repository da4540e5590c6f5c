#include "server/control.hpp"

#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace tambo {

namespace {

using local = boost::asio::local::stream_protocol;

constexpr std::size_t max_request_bytes = std::size_t{64} << 10;

std::vector<std::string> split(std::string_view line) {
    std::vector<std::string> words{""};
    for (const char c : line) {
        if (c == '\x1f')
            words.emplace_back();
        else
            words.back() += c;
    }
    return words;
}

bool somebody_listens(boost::asio::io_context& io, const std::filesystem::path& path) {
    local::socket probe{io};
    boost::system::error_code ec;
    probe.connect(local::endpoint{path.string()}, ec);
    return !ec;
}

}   // namespace

struct Control::Visit : std::enable_shared_from_this<Visit> {
    Visit(local::socket s, Command c) : socket(std::move(s)), command(std::move(c)) {}

    void read() {
        boost::asio::async_read_until(socket, boost::asio::dynamic_buffer(request, max_request_bytes), '\n',
                                      [self = shared_from_this()](boost::system::error_code ec, std::size_t bytes) {
                                          if (!ec) self->answer(bytes);
                                      });
    }
    void answer(std::size_t bytes) {
        Answer a;
        try {
            a = command(split(std::string_view{request}.substr(0, bytes - 1)));
        } catch (const std::exception& e) {
            a = {1, e.what()};
        }
        reply = fmt::format("{}\n{}", a.exit_code, a.text);
        boost::asio::async_write(socket, boost::asio::buffer(reply),
                                 [self = shared_from_this()](boost::system::error_code, std::size_t) {});
    }

    local::socket socket;
    Command command;
    std::string request, reply;
};

Control::Control(boost::asio::io_context& io, std::filesystem::path path, Command command, Log& log)
    : path_(std::move(path)), command_(std::move(command)), log_(log), acceptor_(io) {
    if (path_.string().size() >= sizeof(sockaddr_un{}.sun_path))
        throw std::runtime_error(
            fmt::format("{}: the path of the control socket is too long for a Unix socket", path_.string()));
    if (std::filesystem::exists(path_)) {
        if (somebody_listens(io, path_))
            throw std::runtime_error(fmt::format("{}: another tambod runs here", path_.string()));
        std::filesystem::remove(path_);
    }
    try {
        std::filesystem::create_directories(path_.parent_path());
        acceptor_.open();
        const auto mask = ::umask(0177);   // never open to others, not even for a moment
        boost::system::error_code ec;
        acceptor_.bind(local::endpoint{path_.string()}, ec);
        ::umask(mask);
        if (ec) throw boost::system::system_error{ec};
        acceptor_.listen();
    } catch (const std::exception& e) {
        throw std::runtime_error(fmt::format("{}: the control socket cannot be made: {}", path_.string(), e.what()));
    }
    accept();
}

Control::~Control() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

void Control::accept() {
    acceptor_.async_accept([this](boost::system::error_code ec, local::socket socket) {
        if (!acceptor_.is_open() || ec == boost::asio::error::operation_aborted) return;
        if (!ec) std::make_shared<Visit>(std::move(socket), command_)->read();
        accept();
    });
}

}   // namespace tambo
