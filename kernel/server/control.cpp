#include "server/control.hpp"

#include <atomic>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <fmt/format.h>

namespace tambo {

namespace {

using local = boost::asio::local::stream_protocol;

constexpr char between_words = '\x1f', end_of_request = '\x1e';
constexpr int poll_ms = 200;              // how soon a writer that waits for its client sees that the server stops
constexpr int patience_polls = 5 * 600;   // ten minutes: a pager may keep what comes waiting

std::vector<std::string> split(std::string_view line) {
    std::vector<std::string> words{""};
    for (const char c : line) {
        if (c == between_words)
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

struct Control::Shared {
    Command command;
    std::atomic<bool> closing{false};
    std::size_t visits = 0;   // the loop's
    bool is_full = false;     // the loop's: nobody is accepted until a visit ends
};

struct Control::Visit : std::enable_shared_from_this<Visit> {
    Visit(Control& c, local::socket s) : control(c), shared(c.shared_), socket(std::move(s)) {}

    void read() {
        boost::asio::async_read_until(socket, boost::asio::dynamic_buffer(request, max_request_bytes), end_of_request,
                                      [self = shared_from_this()](boost::system::error_code ec, std::size_t bytes) {
                                          if (ec) return self->leave();
                                          self->request.resize(bytes - 1);
                                          boost::asio::post(self->control.pool_, [self] { self->answer(); });
                                      });
    }

    // On a worker.
    void answer() {
        try {
            send(fmt::format("={}\n", run()));
        } catch (const std::exception&) {   // NOLINT(bugprone-empty-catch): the client left; nobody is there to be told
        }
        boost::asio::post(socket.get_executor(), [self = shared_from_this()] { self->leave(); });
    }

    int run() {
        const Out out = [this](std::string_view piece) {
            if (piece.empty()) return;
            send(fmt::format("+{}\n", piece.size()));
            send(piece);
        };
        try {
            const auto words = split(request);
            control.log_.debug("tamboctl: {}", words.front());   // no more: there may be a password
            return shared->command(words, out);
        } catch (const std::exception& e) {
            out(fmt::format("{}\n", e.what()));
            return 1;
        }
    }

    void send(std::string_view bytes) {
        int polls = 0;
        while (!bytes.empty()) {
            const auto n = ::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(n));
                polls = 0;
            } else if (n < 0 && errno == EAGAIN && !shared->closing && ++polls < patience_polls) {
                pollfd ready{socket.native_handle(), POLLOUT, 0};
                ::poll(&ready, 1, poll_ms);
            } else if (n == 0 || errno != EINTR) {
                throw std::runtime_error("the client is gone");
            }
        }
    }

    void leave() {
        socket.close();
        --shared->visits;
        if (std::exchange(shared->is_full, false)) control.accept();
    }

    Control& control;
    std::shared_ptr<Shared> shared;
    local::socket socket;
    std::string request;
};

Control::Control(boost::asio::io_context& io, std::filesystem::path path, Command command, Log& log)
    : path_(std::move(path)), log_(log), acceptor_(io), shared_(std::make_shared<Shared>()) {
    shared_->command = std::move(command);
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
        // Never open to others, not even for a moment: Linux gives the new file the mode that the socket has. A umask
        // would be the whole process's, which is not ours.
        ::fchmod(acceptor_.native_handle(), S_IRUSR | S_IWUSR);
        acceptor_.bind(local::endpoint{path_.string()});
        acceptor_.listen();
    } catch (const std::exception& e) {
        throw std::runtime_error(fmt::format("{}: the control socket cannot be made: {}", path_.string(), e.what()));
    }
    accept();
}

Control::~Control() {
    shared_->closing = true;
    pool_.join();
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

void Control::accept() {
    if (shared_->visits >= max_visits) {
        shared_->is_full = true;
        return;
    }
    acceptor_.async_accept([this](boost::system::error_code ec, local::socket socket) {
        if (!acceptor_.is_open() || ec == boost::asio::error::operation_aborted) return;
        if (!ec) {
            ++shared_->visits;
            std::make_shared<Visit>(*this, std::move(socket))->read();
        }
        accept();
    });
}

}   // namespace tambo
