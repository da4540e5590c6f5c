// Requests find their module, also while it is swapped, throws, or is taken away.
#include <chrono>
#include <filesystem>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "stage.hpp"

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// One request and all that comes for it.
class Request {
public:
    Request(std::uint16_t port, const std::string& line) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
        const auto text = line + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        EXPECT_EQ(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    ~Request() { ::close(socket_); }
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    std::string reply() const {
        std::string came;
        char piece[4096];
        for (ssize_t n = 0; (n = ::recv(socket_, piece, sizeof piece, 0)) > 0;)
            came.append(piece, static_cast<std::size_t>(n));
        return came;
    }

private:
    int socket_;
};

class Http : public testing::Test {
protected:
    Http() {
        play::Cast cast;
        cast.modules = {"pages", "ping"};
        cast.folders = {TAMBO_BINARY_DIR "/villains"};
        cast.settings = {{"http", "listen", "127.0.0.1:0"}};
        stage_ = play::in_process(cast);
    }
    tambo::Server& server() { return *stage_->server(); }
    std::string get(const std::string& path) { return Request{server().port("http"), "GET " + path}.reply(); }
    std::uint64_t faults() {
        stage_->settle();   // the answer leaves first, then the fault is counted
        for (const auto& m : server().modules())
            if (m.name == "pages") return m.faults;
        return 0;
    }
    /// A request on its way says so by being counted as work of its shard; there is nothing else to see of it.
    void until_waiting(const Request&) {
        (void)get("/pages/behind");   // its connection came later, and each shard has answered one
        (void)get("/pages/behind");
        stage_->settle();
    }

    std::unique_ptr<play::Stage> stage_;
};

TEST_F(Http, the_longest_path_that_fits_answers) {
    EXPECT_TRUE(has(get("/pages/any/thing"), "\r\n\r\nGET /pages/any/thing"));
    EXPECT_TRUE(has(get("/pages/"), "\r\n\r\nGET /pages/"));
    EXPECT_TRUE(get("/pages").starts_with("HTTP/1.1 404 "));
    EXPECT_TRUE(get("/").starts_with("HTTP/1.1 404 "));
}

TEST_F(Http, who_throws_costs_its_request) {
    EXPECT_TRUE(get("/pages/broken").starts_with("HTTP/1.1 500 "));
    EXPECT_EQ(faults(), 1U);
    EXPECT_TRUE(get("/pages/fine").starts_with("HTTP/1.1 200 "));
    const Request late{server().port("http"), "GET /pages/broken?late"};
    until_waiting(late);
    stage_->pass(std::chrono::seconds{10});
    EXPECT_TRUE(late.reply().starts_with("HTTP/1.1 500 "));
    EXPECT_EQ(faults(), 2U);
}

TEST_F(Http, a_request_that_waits_is_answered_by_the_version_that_took_it) {
    const Request waiting{server().port("http"), "GET /pages/later"};
    until_waiting(waiting);
    const auto swapped = server().reload("pages");
    ASSERT_TRUE(swapped.done) << swapped.reason;
    EXPECT_FALSE(swapped.unmapped) << "it has something to finish";
    EXPECT_TRUE(has(get("/pages/new"), "GET /pages/new"));
    stage_->pass(std::chrono::seconds{10});
    EXPECT_TRUE(has(waiting.reply(), "\r\n\r\nat last, /pages/later"));
}

TEST_F(Http, a_request_whose_version_is_given_up_is_told_to_come_again) {
    const Request waiting{server().port("http"), "GET /pages/never"};
    until_waiting(waiting);
    ASSERT_TRUE(server().reload("pages").done);
    stage_->pass(std::chrono::minutes{5});
    EXPECT_TRUE(waiting.reply().starts_with("HTTP/1.1 503 "));
}

TEST_F(Http, a_server_that_stops_closes_what_waits) {
    const Request waiting{server().port("http"), "GET /pages/later"};
    until_waiting(waiting);
    stage_.reset();
    EXPECT_EQ(waiting.reply(), "");
}

TEST_F(Http, what_is_unloaded_is_not_found_and_what_is_loaded_is) {
    ASSERT_TRUE(server().unload("pages").done);
    EXPECT_TRUE(get("/pages/x").starts_with("HTTP/1.1 404 "));
    ASSERT_TRUE(server().load("pages").done);
    EXPECT_TRUE(get("/pages/x").starts_with("HTTP/1.1 200 "));
}

TEST_F(Http, a_hundred_swaps_under_requests_leave_none_without_its_answer) {
    for (int i = 0; i < 100; ++i) {
        const Request before{server().port("http"), "GET /pages/" + std::to_string(i)};
        const auto swapped = server().reload("pages");
        ASSERT_TRUE(swapped.done) << swapped.reason;
        EXPECT_TRUE(has(before.reply(), "GET /pages/" + std::to_string(i)));
    }
}

}   // namespace
