#include "net/http.hpp"

#include <chrono>
#include <ctime>
#include <stdexcept>
#include <system_error>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <fmt/chrono.h>

#include "net/http_request.hpp"
#include "net/listening.hpp"

namespace tambo {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto patience_for_answers = 30s;
constexpr auto patience_for_goodbye = 1s;
constexpr auto pause_when_exhausted = 100ms;   // out of descriptors: trying again at once would only burn the CPU
constexpr std::size_t most_read_after_goodbye_bytes = std::size_t{4} << 20;
constexpr std::size_t goodbye_piece_bytes = std::size_t{64} << 10;
constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

// What a reply allows a page to do, unless its module says something else about it.
constexpr std::pair<std::string_view, std::string_view> careful_headers[] = {
    {"Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"Cache-Control", "no-store"},
};
constexpr std::pair<std::string_view, std::string_view> strict_headers[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

using Response = http::response<http::string_body>;

// A line break in a header would begin a reply of somebody else's making.
bool is_one_line(std::string_view text) { return text.find_first_of(std::string_view{"\r\n\0", 3}) == text.npos; }

Response response_of(HttpReply reply, unsigned version, bool keep_alive) {
    Response response;
    response.version(version);
    response.result(reply.status);
    response.set(http::field::date, fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::time(nullptr))));
    for (const auto& [name, value] : careful_headers) response.set(name, value);
    if (is_one_line(reply.type)) response.set(http::field::content_type, reply.type);
    for (const auto& [name, value] : reply.headers)
        if (is_one_line(name) && is_one_line(value)) response.set(name, value);
    for (const auto& [name, value] : strict_headers) response.set(name, value);
    response.keep_alive(keep_alive);
    response.body() = std::move(reply.body);
    response.prepare_payload();
    return response;
}

// What the parser refused, as the client hears it; nullopt: the connection broke or its time was over, nobody listens.
std::optional<HttpReply> reply_to(error_code ec) {
    if (ec == http::error::end_of_stream || ec == http::error::partial_message) return std::nullopt;
    if (ec == http::error::header_limit || ec == http::error::buffer_overflow)
        return refusal(431, "The header is too large.");
    if (ec == http::error::body_limit) return refusal(413, "The body is too large.");
    if (ec == http::error::bad_version) return refusal(505, "HTTP/1.1 is spoken here.");
    if (ec.category() == http::make_error_code(http::error::bad_method).category())
        return refusal(400, "The request is malformed.");
    return std::nullopt;
}

}   // namespace

// --- answers

struct HttpAnswer::Once {
    explicit Once(Send s) : send(std::move(s)) {}
    ~Once() { give(refusal(503, "What answers here was just replaced; please ask again.")); }
    Once(const Once&) = delete;
    Once& operator=(const Once&) = delete;
    void give(HttpReply reply) {
        if (const auto first = std::exchange(send, nullptr)) first(std::move(reply));
    }
    Send send;
};

HttpAnswer::HttpAnswer(Send send) : once_(std::make_shared<Once>(std::move(send))) {}
void HttpAnswer::operator()(HttpReply reply) const { once_->give(std::move(reply)); }

// --- one connection

/// Read, ask, write, again. What it waits for keeps it alive.
class HttpServer::Visit : public std::enable_shared_from_this<Visit> {
public:
    Visit(HttpServer& server, tcp::socket socket)
        : server_(server), stream_(std::move(socket)), patience_(server.io_) {}
    ~Visit() { server_.visits_.erase(this); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    void read() {
        parser_.emplace();
        parser_->header_limit(static_cast<std::uint32_t>(server_.settings_.max_header));
        parser_->body_limit(server_.settings_.max_body);
        stream_.expires_after(server_.settings_.deadline);   // for all of it, however it comes in drops
        http::async_read_header(stream_, buffer_, *parser_,
                                [self = shared_from_this()](error_code ec, std::size_t) { self->judge(ec); });
    }

    void close() {
        error_code ignored;
        stream_.socket().close(ignored);
        stream_.cancel();
        patience_.cancel();
    }

private:
    void judge(error_code ec) {
        if (ec) return refuse(ec);
        const auto& said = parser_->get();
        version_ = said.version() == 10 ? 10 : 11;
        is_head_ = said.method() == http::verb::head;
        const auto host = said.find(http::field::host);
        auto admitted = admit({said.method_string(), said.target(), said[http::field::host], said[http::field::origin],
                               said[http::field::content_type], host != said.end(), said.version() == 10},
                              server_.domains_);
        if (!admitted) return last(std::move(admitted.error()));
        request_ = std::move(*admitted);
        if (is_head_) request_.method = "GET";   // the same without its body
        const bool waits_for_us = beast::iequals(said[http::field::expect], "100-continue") && !parser_->is_done();
        if (!waits_for_us) return read_body();
        asio::async_write(stream_, asio::buffer(go_on), [self = shared_from_this()](error_code broken, std::size_t) {
            if (!broken) self->read_body();
        });
    }

    void read_body() {
        http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (ec) return self->refuse(ec);
            self->ask();
        });
    }

    // The answer may come when the client has gone, or never.
    void ask() {
        stream_.expires_never();
        keep_alive_ = parser_->get().keep_alive();
        request_.body = std::move(parser_->get().body());
        parser_.reset();
        const auto number = ++asked_;
        patience_.expires_after(patience_for_answers);
        patience_.async_wait([self = shared_from_this(), number](error_code ec) {
            if (!ec && self->asked_ == number) self->write(refusal(504, "No answer came in time."));
        });
        auto& io = server_.io_;
        server_.handler_(std::move(request_), HttpAnswer{[&io, visit = weak_from_this(), number](HttpReply reply) {
                             asio::post(io, [visit, number, reply = std::move(reply)]() mutable {
                                 const auto self = visit.lock();
                                 if (self && self->asked_ == number) self->write(std::move(reply));
                             });
                         }});
    }

    void write(HttpReply reply) {
        ++asked_;   // no further answer to this one
        patience_.cancel();
        response_.emplace(response_or_fault(std::move(reply)));
        serializer_.emplace(*response_);
        serializer_->split(is_head_);
        stream_.expires_after(server_.settings_.deadline);
        const auto written = [self = shared_from_this()](error_code ec, std::size_t) {
            if (ec) return;
            if (self->keep_alive_) return self->read();
            self->say_goodbye();
        };
        if (is_head_)
            http::async_write_header(stream_, *serializer_, written);
        else
            http::async_write(stream_, *serializer_, written);
    }

    // Beast throws at a body that may not be there (RFC 9110 §6.4.1) and at headers without end: the module's mistake.
    Response response_or_fault(HttpReply reply) const {
        try {
            return response_of(std::move(reply), version_, keep_alive_);
        } catch (const std::exception& e) {
            server_.log_.error("[http] a module's reply cannot be sent: {}; 500 went instead", e.what());
            return response_of(refusal(500, "The answer cannot be sent."), version_, keep_alive_);
        }
    }

    void refuse(error_code ec) {
        if (auto reply = reply_to(ec)) last(std::move(*reply));
    }

    void last(HttpReply reply) {
        keep_alive_ = false;
        write(std::move(reply));
    }

    // A socket that is closed over unread bytes resets the connection, and the client may never see the last reply.
    void say_goodbye() {
        error_code ignored;
        stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
        stream_.expires_after(patience_for_goodbye);
        rest_.resize(goodbye_piece_bytes);
        read_rest(0);
    }

    void read_rest(std::size_t so_far) {
        if (so_far > most_read_after_goodbye_bytes) return;
        stream_.async_read_some(asio::buffer(rest_), [self = shared_from_this(), so_far](error_code ec, std::size_t n) {
            if (!ec) self->read_rest(so_far + n);
        });
    }

    HttpServer& server_;
    beast::tcp_stream stream_;
    asio::steady_timer patience_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    std::optional<Response> response_;
    std::optional<http::response_serializer<http::string_body>> serializer_;
    HttpRequest request_;
    std::string rest_;
    std::uint64_t asked_ = 0;
    unsigned version_ = 11;
    bool is_head_ = false, keep_alive_ = false;
};

// --- the door

HttpServer::HttpServer(HttpSettings settings, List domains, Handler handler, Log& log, std::optional<int> ready)
    : settings_(std::move(settings)),
      domains_(std::move(domains)),
      handler_(std::move(handler)),
      log_(log),
      acceptor_(ready ? take_over(io_, *ready, "[http]") : listen_on(io_, settings_.address, settings_.port, "[http]")),
      port_(acceptor_.local_endpoint().port()) {
    if (!acceptor_.local_endpoint().address().is_loopback())
        log_.warning(
            "[http] listens on {}, not only for this machine: whoever reaches it can read all figures; "
            "put a proxy with a login in front of it",
            settings_.address);
}

HttpServer::~HttpServer() { stop(); }

void HttpServer::start() {
    accept();
    thread_ = std::thread{[this] { io_.run(); }};
}

void HttpServer::stop() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] {
        error_code ignored;
        acceptor_.close(ignored);
        pause_.cancel();
        std::vector<std::shared_ptr<Visit>> open;
        for (const auto& [raw, visit] : visits_)
            if (auto alive = visit.lock()) open.push_back(std::move(alive));
        for (const auto& visit : open) visit->close();
    });
    thread_.join();
}

void HttpServer::accept() {
    acceptor_.async_accept([this](error_code ec, tcp::socket socket) {
        if (!acceptor_.is_open()) return;
        if (!ec) welcome(std::move(socket));
        if (ec != boost::system::errc::too_many_files_open && ec != boost::system::errc::too_many_files_open_in_system)
            return accept();
        pause_.expires_after(pause_when_exhausted);
        pause_.async_wait([this](error_code stopped) {
            if (!stopped) accept();
        });
    });
}

void HttpServer::welcome(tcp::socket socket) {
    if (visits_.size() >= settings_.connections) {
        if (!std::exchange(told_full_, true))
            log_.warning("[http] has {} connections, no more are taken; clients come in again when others have left",
                         visits_.size());
        return;   // closes it
    }
    if (visits_.size() < settings_.connections / 2) told_full_ = false;
    const auto visit = std::make_shared<Visit>(*this, std::move(socket));
    visits_.emplace(visit.get(), visit);
    visit->read();
}

}   // namespace tambo
