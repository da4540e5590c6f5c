// Everybody comes back at once, to a server whose limits are tiny, while others who never finish hold connections: all
// get in. Over TCP and TLS, with clients that try again when they are turned away.
#include <arpa/inet.h>
#include <atomic>
#include <barrier>
#include <latch>
#include <memory>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <tambo/bytes.hpp>
#include <tambo/server.hpp>

#include "folder.hpp"

namespace {

constexpr int patience_s = 60;   // for a server that never answers, not for a slow one
constexpr int clients = 100, accounts = 10, silent = 100;
constexpr std::string_view header =
    "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>";

class Socket {
public:
    explicit Socket(std::uint16_t port) : descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in place{};
        place.sin_family = AF_INET;
        place.sin_port = htons(port);
        ::inet_pton(AF_INET, "127.0.0.1", &place.sin_addr);
        const timeval patience{patience_s, 0};
        ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0) {
            ::close(descriptor);
            throw std::runtime_error{"cannot connect"};
        }
    }
    ~Socket() { ::close(descriptor); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    void say(std::string_view bytes) const { (void)!::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
    const int descriptor;
};

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

/// One way in, as far as it leads. True: there is a session.
class WayIn {
public:
    WayIn(std::uint16_t port, SSL_CTX* context) : socket_(port), ssl_(SSL_new(context), SSL_free) {
        SSL_set_fd(ssl_.get(), socket_.descriptor);
    }
    bool go(const std::string& user) {
        if (SSL_connect(ssl_.get()) != 1) return false;
        const std::string plain = '\0' + user + '\0' + "secret";
        return say(std::string{header} + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
                   tambo::base64(plain) + "</auth>") &&
               hears("<success") &&
               say(std::string{header} +
                   "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>") &&
               hears("</jid>");
    }

private:
    bool say(const std::string& bytes) {
        return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
    }
    bool hears(std::string_view wanted) {
        std::string came;
        while (came.find(wanted) == came.npos) {
            if (came.find("<failure") != came.npos) return false;   // too many wait for their passwords: once more
            char bytes[4096];
            const int n = SSL_read(ssl_.get(), bytes, sizeof bytes);
            if (n <= 0) return false;
            came.append(bytes, static_cast<std::size_t>(n));
        }
        return true;
    }
    Socket socket_;
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
};

class Herd : public testing::Test {
protected:
    Herd() : server(config(), {.clock = nullptr, .log = [](auto...) {}}) {
        server.start();
        for (int i = 0; i < accounts; ++i)
            if (!server.add_user(user(i) + "@localhost", "secret")) throw std::runtime_error{"no account"};
    }
    tambo::Config config() const {
        tambo::Config config;
        config.domain("localhost").data(data.path());
        config.set("server", "threads", "2").set("server", "plugins", "store_memory, auth_store");
        config.set("server", "modules", "sasl, bind");
        config.set("server", "module_path", TAMBO_BINARY_DIR "/modules, " TAMBO_BINARY_DIR "/plugins");
        config.set("listener tls", "kind", "tls").set("listener tls", "address", "127.0.0.1");
        config.set("listener tls", "port", "0");
        config.set("limits", "handshakes", "1").set("limits", "handshakes_waiting", "8");
        config.set("limits", "auth_failures_per_address", "0");
        config.set("module sasl", "hashes", "1").set("module sasl", "hashes_waiting", "4");
        config.set("module sasl", "remembered_plain", "0");
        return config;
    }
    static std::string user(int i) { return "user" + std::to_string(i % accounts); }
    double figure(const std::string& name) {
        for (const auto& f : server.stats().figures)
            if (f.name == name) return f.value;
        return -1;
    }

    Folder data;
    tambo::Server server;
};

TEST_F(Herd, gets_in_whatever_others_leave_half_done) {
    const auto port = server.port("tls");
    std::vector<std::unique_ptr<Socket>> flood;
    for (int i = 0; i < silent; ++i) {
        flood.push_back(std::make_unique<Socket>(port));
        if (i % 3 == 1) flood.back()->say("\x16\x03\x01\x02");
        if (i % 3 == 2) flood.back()->say(header);
    }
    const Context context{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
    std::atomic<int> in{0}, turned_away{0};
    std::latch start{clients};
    std::barrier all_in{clients};
    std::vector<std::jthread> herd;
    for (int i = 0; i < clients; ++i)
        herd.emplace_back([&, i] {
            start.arrive_and_wait();
            for (;;) {
                WayIn way{port, context.get()};
                if (!way.go(user(i))) {
                    ++turned_away;
                    continue;
                }
                ++in;
                all_in.arrive_and_wait();   // nobody makes room by leaving
                return;
            }
        });
    herd.clear();
    EXPECT_EQ(in, clients);
    EXPECT_GE(figure("handshakes_total"), clients);
    EXPECT_EQ(figure("handshakes_waiting"), 0);
    EXPECT_EQ(figure("hashes_waiting"), 0);
    RecordProperty("turned_away", turned_away);
}

}   // namespace
