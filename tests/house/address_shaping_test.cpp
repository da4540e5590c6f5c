// RFC 6120 §13.12: what one address sends over several connections comes out of one allowance ([limits] address_rate).
// The clock stands still, so nothing but bytes decides.
#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "folder.hpp"

namespace {

constexpr int patience_ms = 60'000;   // for a server that never answers, not for a slow one
constexpr std::size_t burst_bytes = 64 << 10;
constexpr std::size_t bytes_a_second = 256 << 10;
constexpr std::size_t read_bytes = 64 << 10;   // one read of one connection may go beyond the allowance
constexpr std::size_t flood_bytes = 512 << 10;
constexpr std::string_view header =
    "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>";

class StandingClock final : public tambo::Clock {
public:
    tambo::Time now() const noexcept override { return tambo::Time{passed_.load()}; }
    tambo::Duration steady() const noexcept override { return passed_.load(); }
    void pass(tambo::Duration time) { passed_ = passed_.load() + time; }

private:
    std::atomic<tambo::Duration> passed_{std::chrono::hours{1}};
};

class Client {
public:
    Client(std::uint16_t port, const char* from) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        auto mine = at(from, 0);
        auto theirs = at("127.0.0.1", port);
        if (::bind(fd_, reinterpret_cast<const sockaddr*>(&mine), sizeof mine) != 0 ||
            ::connect(fd_, reinterpret_cast<const sockaddr*>(&theirs), sizeof theirs) != 0)
            throw std::runtime_error{std::string{"cannot connect: "} + std::strerror(errno)};
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// All of it fits into the buffers between us, whether anybody reads or not.
    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n < 0) throw std::runtime_error{std::string{"cannot write: "} + std::strerror(errno)};
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    std::string read_until(std::string_view wanted) {
        std::string said;
        while (said.find(wanted) == std::string::npos) {
            pollfd wait{fd_, POLLIN, 0};
            if (::poll(&wait, 1, patience_ms) <= 0) throw std::runtime_error{"the server says nothing any more"};
            char bytes[4096];
            const auto n = ::recv(fd_, bytes, sizeof bytes, 0);
            if (n <= 0) throw std::runtime_error{"the stream ended: " + said};
            said.append(bytes, static_cast<std::size_t>(n));
        }
        return said;
    }
    bool has_heard_something() const {
        pollfd look{fd_, POLLIN, 0};
        return ::poll(&look, 1, 0) > 0;
    }

private:
    static sockaddr_in at(const char* address, std::uint16_t port) {
        sockaddr_in place{};
        place.sin_family = AF_INET;
        place.sin_port = htons(port);
        ::inet_pton(AF_INET, address, &place.sin_addr);
        return place;
    }
    int fd_;
};

class AddressShaping : public testing::Test {
protected:
    AddressShaping() : server(config(), {.clock = clock, .log = [](auto...) {}, .manual_timers = true}) {
        server.start();
    }
    std::unique_ptr<Client> enter(const char* from) { return std::make_unique<Client>(server.port("c2s"), from); }

    std::size_t bytes_read() { return server.count().bytes_in; }
    /// Until the server has read so much; and then all that it reads of its own accord.
    void let_it_read(std::size_t bytes) {
        while (bytes_read() < bytes) server.settle();
        for (int i = 0; i < 100; ++i) server.settle();
    }
    void pass(tambo::Duration time) {
        clock->pass(time);
        server.advance();
        server.settle();
    }

    tambo::Config config() const {
        tambo::Config config;
        config.domain("localhost").listen("127.0.0.1", 0).data(data.path());
        config.set("server", "threads", "2").set("server", "plugins", "store_memory, auth_store");
        config.set("server", "module_path", TAMBO_BINARY_DIR "/modules, " TAMBO_BINARY_DIR "/plugins");
        config.set("limits", "read_rate", "0");
        config.set("limits", "address_rate", std::to_string(bytes_a_second));
        config.set("limits", "address_burst", std::to_string(burst_bytes));
        return config;
    }

    Folder data;
    std::shared_ptr<StandingClock> clock = std::make_shared<StandingClock>();   // shared with the server
    tambo::Server server;
};

TEST_F(AddressShaping, a_flood_from_two_connections_is_read_no_faster_than_one_address_may_send) {
    const auto one = enter("127.0.0.1");
    const auto two = enter("127.0.0.1");
    for (auto* client : {one.get(), two.get()}) {
        client->write(header);
        client->read_until("</stream:features>");
    }
    const std::string white(flood_bytes, ' ');   // §4.6.1: may stand between any two stanzas
    for (auto* client : {one.get(), two.get()}) client->write(white + "</stream:stream>");

    let_it_read(burst_bytes + 1);
    EXPECT_LE(bytes_read(), burst_bytes + 2 * read_bytes) << "before any time has passed";

    const auto elsewhere = enter("127.0.0.2");
    elsewhere->write(header);
    elsewhere->read_until("</stream:features>");
    const auto three = enter("127.0.0.1");
    three->write(header);
    let_it_read(burst_bytes + 1);
    EXPECT_FALSE(three->has_heard_something()) << "a new connection does not help";

    pass(std::chrono::seconds{1});
    let_it_read(burst_bytes + 1);
    EXPECT_LE(bytes_read(), burst_bytes + bytes_a_second + 3 * read_bytes) << "after a second";

    while (bytes_read() < 2 * flood_bytes) pass(std::chrono::seconds{1});
    for (auto* client : {one.get(), two.get()}) client->read_until("</stream:stream>");   // late, but whole
    three->read_until("</stream:features>");
}

}   // namespace
