// The HTTP listener: status page, metrics, whatever modules answer (Wiring::http).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <tambo/http.hpp>
#include <tambo/log.hpp>

#include "server/options.hpp"

namespace tambo {

/// Where the answer to one request goes, from any thread. Only the first one counts; if all copies go without one, the
/// client is told to come again (503): what should have answered was stopped.
class HttpAnswer {
public:
    using Send = std::function<void(HttpReply)>;
    explicit HttpAnswer(Send send);
    void operator()(HttpReply reply) const;

private:
    struct Once;
    std::shared_ptr<Once> once_;   // by all who may still answer
};

/// HTTP/1.1 (RFC 9112) on a thread of its own: what peers do here costs neither shards nor the supervisor anything.
/// Bounded in all directions: connections, header, body, and the time that each of them may take. Requests of one
/// connection are answered one after the other.
class HttpServer {
public:
    /// Called on the listener's thread; it only passes the request on.
    using Handler = std::function<void(HttpRequest, HttpAnswer)>;

    /// Binds, or takes over a socket that listens already; throws std::runtime_error with a sentence. `domains` are the
    /// names that it answers to, besides loopback.
    HttpServer(HttpSettings settings, List domains, Handler handler, Log& log, std::optional<int> ready = {});
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    void start();
    /// Closes everything. Answers that come later are dropped; the object has to outlive them.
    void stop();
    std::uint16_t port() const noexcept { return port_; }

private:
    class Visit;
    void accept();
    void welcome(boost::asio::ip::tcp::socket socket);

    const HttpSettings settings_;
    const List domains_;
    const Handler handler_;
    Log& log_;
    std::unordered_map<Visit*, std::weak_ptr<Visit>> visits_;   // those that are still there
    bool told_full_ = false;
    boost::asio::io_context io_{1};   // outlived by all that its last handlers touch
    boost::asio::ip::tcp::acceptor acceptor_;
    boost::asio::steady_timer pause_{io_};
    const std::uint16_t port_;
    std::thread thread_;
};

}   // namespace tambo
