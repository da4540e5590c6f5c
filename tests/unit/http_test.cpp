#include "net/http.hpp"

#include <mutex>
#include <thread>

#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/http_request.hpp"

namespace tambo {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

// --- what may ask for what

const List domains{"capulet.lit"};

HttpHead get(std::string_view target, std::string_view host) {
    return {.method = "GET", .target = target, .host = host, .origin = {}, .type = {}, .has_host = true};
}

unsigned status_for(const HttpHead& head) {
    const auto admitted = admit(head, domains);
    return admitted ? 200 : admitted.error().status;
}

TEST(HttpRequest, takes_the_path_apart) {
    const auto request = admit(get("/a%20b?c=%20d&e", "localhost"), domains);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->path, "/a b");
    EXPECT_EQ(request->query, "c=%20d&e");
}

TEST(HttpRequest, understands_what_proxies_write) {
    const auto request = admit(get("http://capulet.lit:80/metrics?x", "localhost"), domains);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->path, "/metrics");
    EXPECT_EQ(admit(get("http://localhost", "localhost"), domains).value().path, "/");
    EXPECT_EQ(status_for(get("http://evil.example/metrics", "localhost")), 421);   // it counts more than Host
}

TEST(HttpRequest, refuses_malformed_paths) {
    for (const auto* target :
         {"", "metrics", "*", "/%", "/%4", "/%zz", "/%00", "/a%0d%0ab", "/\x7f", "http://", "http:///x"})
        EXPECT_EQ(status_for(get(target, "localhost")), 400) << target;
}

TEST(HttpRequest, answers_to_loopback_names_addresses_and_domains) {
    for (const auto* host : {"localhost", "LocalHost:5280", "status.localhost", "127.0.0.1", "127.0.0.1:5280",
                             "[::1]:5280", "192.0.2.1", "capulet.lit", "Capulet.Lit:80"})
        EXPECT_EQ(status_for(get("/", host)), 200) << host;
}

TEST(HttpRequest, does_not_answer_to_names_that_anybody_can_lead_here) {
    for (const auto* host : {"evil.example", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example",
                             "sub.capulet.lit", "evil.example:5280"})
        EXPECT_EQ(status_for(get("/", host)), 421) << host;
    for (const auto* host : {"", ":80", "localhost:", "localhost:x", "[::1", "[]", "localhost:123456", "a:b:c"})
        EXPECT_EQ(status_for(get("/", host)), 400) << host;
}

TEST(HttpRequest, wants_a_host_except_from_old_clients) {
    HttpHead head = get("/", "");
    head.has_host = false;
    EXPECT_EQ(status_for(head), 400);
    head.is_http10 = true;
    EXPECT_EQ(status_for(head), 200);
}

TEST(HttpRequest, refuses_pages_of_other_sites) {
    HttpHead head = get("/", "localhost");
    for (const auto* origin : {"http://localhost:5280", "http://127.0.0.1:5280", "https://capulet.lit"}) {
        head.origin = origin;
        EXPECT_EQ(status_for(head), 200) << origin;
    }
    for (const auto* origin : {"null", "https://evil.example", "localhost", "https://localhost.evil.example"}) {
        head.origin = origin;
        EXPECT_EQ(status_for(head), 403) << origin;
    }
}

TEST(HttpRequest, knows_the_usual_methods_only) {
    HttpHead head = get("/", "localhost");
    for (const auto* method : {"BREW", "get", "CONNECT", "TRACE", ""}) {
        head.method = method;
        EXPECT_EQ(status_for(head), 501) << method;
    }
}

// --- on the wire

class Silence final : public Log {
public:
    bool enabled(Level) const noexcept override { return false; }
    void write(Level, std::string_view) noexcept override {}
};

HttpSettings settings() {
    HttpSettings s;
    s.address = "127.0.0.1";
    s.max_header = 1024;
    s.max_body = 1000;
    s.connections = 4;
    return s;
}

// Repeats what it was asked; keeps the answer to /later, throws the one to /never away.
struct Echo {
    void operator()(HttpRequest request, HttpAnswer answer) {
        if (request.path == "/never") return;
        const std::lock_guard guard{lock};
        if (request.path == "/later") return kept.push_back(std::move(answer));
        HttpReply reply;
        reply.body = fmt::format("{} {} {} bytes", request.method, request.path, request.body.size());
        if (request.path == "/evil")
            reply.headers = {{"X-Evil", "a\r\nSet-Cookie: b"}, {"Content-Security-Policy", "mine"}};
        if (request.path == "/empty") reply.status = 204;   // with a body: a mistake
        answer(std::move(reply));
        if (request.path == "/twice") answer(HttpReply{});
    }
    std::mutex lock;
    std::vector<HttpAnswer> kept;
};

class HttpListener : public testing::Test {
protected:
    void open(const HttpSettings& s = settings()) {
        server.emplace(s, domains, [this](HttpRequest r, HttpAnswer a) { echo(std::move(r), std::move(a)); }, log);
        server->start();
    }
    tcp::socket connect() {
        tcp::socket socket{io};
        socket.connect({boost::asio::ip::make_address("127.0.0.1"), server->port()});
        return socket;
    }
    static void send(tcp::socket& socket, std::string_view text) {
        boost::asio::write(socket, boost::asio::buffer(text));
    }
    static std::string rest(tcp::socket& socket) {
        std::string came;
        boost::system::error_code ec;
        boost::asio::read(socket, boost::asio::dynamic_buffer(came), ec);
        return came;
    }
    /// All that comes for this, until the server closes.
    std::string say(std::string_view text) {
        auto socket = connect();
        send(socket, text);
        return rest(socket);
    }
    static std::string closing(std::string_view line) {
        return fmt::format("{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", line);
    }

    Silence log;
    Echo echo;
    boost::asio::io_context io;
    std::optional<HttpServer> server;
};

TEST_F(HttpListener, answers) {
    open();
    const auto reply = say(closing("GET /x?y"));
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 200 OK\r\n")) << reply;
    EXPECT_TRUE(reply.ends_with("\r\n\r\nGET /x 0 bytes")) << reply;
    for (const auto* header :
         {"Content-Security-Policy: default-src 'none'", "X-Content-Type-Options: nosniff",
          "Date: ", "Referrer-Policy: no-referrer", "Content-Length: 14", "Cache-Control: no-store"})
        EXPECT_NE(reply.find(header), reply.npos) << header << "\n" << reply;
}

TEST_F(HttpListener, leaves_the_body_away_for_head) {
    open();
    const auto reply = say(closing("HEAD /x"));
    EXPECT_NE(reply.find("Content-Length: 14\r\n"), reply.npos) << reply;
    EXPECT_TRUE(reply.ends_with("\r\n\r\n")) << reply;
}

TEST_F(HttpListener, answers_what_was_sent_at_once_one_after_the_other) {
    open();
    std::string all;
    for (int i = 0; i < 20; ++i) all += fmt::format("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
    const auto replies = say(all + closing("GET /end"));
    std::size_t at = 0;
    for (int i = 0; i < 20; ++i) {
        at = replies.find(fmt::format("GET /{} 0 bytes", i), at);
        ASSERT_NE(at, replies.npos) << i;
    }
    EXPECT_NE(replies.find("GET /end", at), replies.npos);
}

TEST_F(HttpListener, takes_bodies_up_to_the_limit_however_they_come) {
    open();
    const auto post = [&](std::size_t bytes) {
        return say(
            fmt::format("POST /p HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                        bytes, std::string(bytes, 'x')));
    };
    EXPECT_TRUE(post(1000).ends_with("POST /p 1000 bytes"));
    EXPECT_TRUE(post(1001).starts_with("HTTP/1.1 413 "));
    const std::string head =
        "POST /p HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_TRUE(say(head + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").ends_with("POST /p 5 bytes"));
    EXPECT_TRUE(say(head + "3e9\r\n" + std::string(1001, 'x') + "\r\n0\r\n\r\n").starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpListener, tells_a_careful_client_to_go_on_unless_it_may_not) {
    open();
    auto socket = connect();
    send(socket,
         "POST /p HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\nExpect: "
         "100-continue\r\n\r\n");
    std::string came(25, '\0');
    boost::asio::read(socket, boost::asio::buffer(came));
    EXPECT_EQ(came, "HTTP/1.1 100 Continue\r\n\r\n");
    send(socket, "abc");
    EXPECT_TRUE(rest(socket).ends_with("POST /p 3 bytes"));
    EXPECT_TRUE(say("POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
                    .starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpListener, refuses_what_is_no_request) {
    open();
    const std::pair<std::string, std::string_view> bad[] = {
        {"nonsense\r\n\r\n", "HTTP/1.1 400 "},
        {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "HTTP/1.1 400 "},   // somebody tries TLS
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},                 // no Host
        {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 421 "},
        {"GET / HTTP/3.7\r\nHost: localhost\r\n\r\n", "HTTP/1.1 505 "},
        {"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 501 "},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(2000, 'x') + "\r\n\r\n", "HTTP/1.1 431 "},
        {"GET /" + std::string(2000, 'x') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 431 "},
        {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\nabcd", "HTTP/1.1 400 "},
    };
    for (const auto& [request, status] : bad)
        EXPECT_TRUE(say(request).starts_with(status)) << request << "\n" << say(request);
}

TEST_F(HttpListener, lets_no_module_write_a_second_reply) {
    open();
    const auto evil = say(closing("GET /evil"));
    EXPECT_EQ(evil.find("Cookie"), evil.npos) << evil;
    EXPECT_NE(evil.find("Content-Security-Policy: mine\r\n"), evil.npos) << evil;
    EXPECT_EQ(evil.find("default-src"), evil.npos) << evil;
    EXPECT_TRUE(say(closing("GET /empty")).starts_with("HTTP/1.1 500 "));
    EXPECT_TRUE(say(closing("GET /twice")).ends_with("GET /twice 0 bytes"));
}

TEST_F(HttpListener, says_so_when_nobody_will_answer) {
    open();
    EXPECT_TRUE(say(closing("GET /never")).starts_with("HTTP/1.1 503 "));
}

TEST_F(HttpListener, closes_those_who_are_slow) {
    auto s = settings();
    s.deadline = 50ms;
    open(s);
    EXPECT_EQ(say(""), "");
    EXPECT_EQ(say("GET / HTTP/1.1\r\nHost: local"), "");
    std::string before_idleness;   // empty where this machine was too slow to ask in time
    while (before_idleness.empty()) before_idleness = say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_TRUE(before_idleness.ends_with("GET / 0 bytes"));
}

TEST_F(HttpListener, takes_no_more_connections_than_it_may_until_others_leave) {
    open();
    std::vector<tcp::socket> all;
    for (int i = 0; i < 4; ++i) {
        all.push_back(connect());
        send(all.back(), "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        std::string came;
        boost::asio::read_until(all.back(), boost::asio::dynamic_buffer(came), "0 bytes");
    }
    {
        auto fifth = connect();
        EXPECT_EQ(rest(fifth), "");
    }
    send(all.front(), closing("GET /b"));
    EXPECT_TRUE(rest(all.front()).ends_with("GET /b 0 bytes"));
    all.erase(all.begin());
    std::string came;
    while (came.empty()) {   // the server sees the place become free a little later than we do
        auto socket = connect();
        boost::system::error_code refused;
        boost::asio::write(socket, boost::asio::buffer(closing("GET /c")), refused);
        came = rest(socket);
    }
    EXPECT_TRUE(came.ends_with("GET /c 0 bytes"));
}

TEST_F(HttpListener, stops_while_requests_wait_and_answers_come_too_late) {
    open();
    auto socket = connect();
    send(socket, closing("GET /later"));
    while (true) {
        const std::lock_guard guard{echo.lock};
        if (!echo.kept.empty()) break;
    }
    server->stop();
    EXPECT_EQ(rest(socket), "");
    echo.kept.front()(HttpReply{});
    echo.kept.clear();
}

TEST_F(HttpListener, says_why_it_cannot_listen) {
    open();
    auto taken = settings();
    taken.port = server->port();
    try {
        HttpServer second{taken, domains, {}, log};
        FAIL() << "two servers on one port";
    } catch (const std::runtime_error& e) {
        EXPECT_NE(std::string_view{e.what()}.find("[http] cannot listen on 127.0.0.1 port"), std::string_view::npos)
            << e.what();
    }
}

}   // namespace
}   // namespace tambo
