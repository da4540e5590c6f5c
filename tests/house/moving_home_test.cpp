// RFC 6120 §4.3.3, §6 and §7 say what comes after what, not that a client has to wait for it. One that says everything
// at once is half read on the shard that it came to, and half on the home shard of the account that it turns out to be.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <tambo/bytes.hpp>
#include <tambo/client.hpp>
#include <tambo/server.hpp>

#include "folder.hpp"

namespace {

constexpr int shards = 4;
constexpr int accounts = 20;
// For a server that never answers, not for a slow one. The first failure ends a test: the next ones would wait as long.
constexpr int patience_ms = 60'000;
constexpr std::string_view secret = "secret";

// --- what a client says ---------------------------------------------------------------------------------------------

std::string header(std::string_view domain) {
    return "<?xml version='1.0'?><stream:stream to='" + std::string{domain} +
           "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
}

std::string login(const std::string& user) {
    const auto plain = std::string{'\0'} + user + '\0' + std::string{secret};
    return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + tambo::base64(plain) + "</auth>";
}

std::string bind(const std::string& resource) {
    return "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource +
           "</resource></bind></iq>";
}

std::string ping_id(int number) { return "ping-" + std::to_string(number); }

std::string pings(int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += "<iq type='get' id='" + ping_id(i) + "'><ping xmlns='urn:xmpp:ping'/></iq>";
    return all;
}

std::string name(int account) { return "user" + std::to_string(account); }

/// Everything up to `count` pings, for one write.
std::string whole_story(const std::string& user, std::string_view domain, const std::string& resource, int count) {
    return header(domain) + login(user) + header(domain) + bind(resource) + pings(count);
}

// --- how it says it -------------------------------------------------------------------------------------------------

class Wire {
public:
    virtual ~Wire() = default;
    virtual void write(std::string_view bytes) = 0;
    virtual std::string read() = 0;   ///< waits for something; empty at the end
};

class Plain final : public Wire {
public:
    explicit Plain(int fd) : fd_(fd) {}
    ~Plain() override { ::close(fd_); }
    Plain(const Plain&) = delete;
    Plain& operator=(const Plain&) = delete;

    void write(std::string_view bytes) override {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) throw std::runtime_error{std::string{"cannot write: "} + std::strerror(errno)};
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }

    std::string read() override {
        pollfd wait{fd_, POLLIN, 0};
        if (::poll(&wait, 1, patience_ms) <= 0) throw std::runtime_error{"the server says nothing any more"};
        std::string bytes(16384, '\0');
        const auto n = ::recv(fd_, bytes.data(), bytes.size(), 0);
        bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return bytes;
    }

private:
    int fd_;
};

class Piped final : public Wire {
public:
    explicit Piped(tambo::Pipe pipe) : pipe_(std::move(pipe)) {}

    void write(std::string_view bytes) override {
        if (!pipe_.write_all(bytes, tambo::Duration{patience_ms}))
            throw std::runtime_error{"the server takes nothing any more"};
    }
    std::string read() override {
        if (!pipe_.wait(tambo::Duration{patience_ms})) throw std::runtime_error{"the server says nothing any more"};
        return pipe_.read();
    }

private:
    tambo::Pipe pipe_;
};

/// OpenSSL between two pieces of memory, so that it is we who decide what travels together.
class Encrypted final : public Wire {
public:
    Encrypted(Wire& below, int version) : below_(below), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
        SSL_CTX_set_min_proto_version(context_.get(), version);
        SSL_CTX_set_max_proto_version(context_.get(), version);
        ssl_ = {SSL_new(context_.get()), SSL_free};
        SSL_set_bio(ssl_.get(), from_server_, to_server_);   // owns both
        SSL_set_connect_state(ssl_.get());
    }

    /// Until this side is done: with TLS 1.3 its last flight then still waits for the first write.
    void shake_hands() {
        while (true) {
            const auto r = SSL_do_handshake(ssl_.get());
            if (r == 1) return;
            if (SSL_get_error(ssl_.get(), r) != SSL_ERROR_WANT_READ) throw std::runtime_error{"no TLS: " + reason()};
            flush();
            if (!take_more()) throw std::runtime_error{"the server left during the handshake"};
        }
    }

    void write(std::string_view bytes) override {
        seal(bytes);
        flush();
    }
    /// Records of their own, which leave with the next flush.
    void seal(std::string_view bytes) {
        std::size_t written = 0;
        if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1 || written != bytes.size())
            throw std::runtime_error{"cannot encrypt: " + reason()};
    }
    void flush() {
        std::string bytes(static_cast<std::size_t>(BIO_pending(to_server_)), '\0');
        if (bytes.empty()) return;
        BIO_read(to_server_, bytes.data(), static_cast<int>(bytes.size()));
        below_.write(bytes);
    }

    std::string read() override {
        std::string bytes(16384, '\0');
        while (true) {
            std::size_t n = 0;
            const auto r = SSL_read_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
            if (r == 1) return bytes.substr(0, n);
            const auto why = SSL_get_error(ssl_.get(), r);
            if (why == SSL_ERROR_ZERO_RETURN) return {};
            if (why != SSL_ERROR_WANT_READ) throw std::runtime_error{"cannot decrypt: " + reason()};
            if (!take_more()) return {};
        }
    }

private:
    bool take_more() {
        const auto bytes = below_.read();
        if (!bytes.empty()) BIO_write(from_server_, bytes.data(), static_cast<int>(bytes.size()));
        return !bytes.empty();
    }
    static std::string reason() {
        const auto error = ERR_get_error();
        return error != 0 ? ERR_error_string(error, nullptr) : "OpenSSL does not say why";
    }

    Wire& below_;
    BIO* from_server_ = BIO_new(BIO_s_mem());
    BIO* to_server_ = BIO_new(BIO_s_mem());
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
};

// --- what it hears --------------------------------------------------------------------------------------------------

std::string read_until(Wire& wire, std::string_view wanted) {
    std::string said;
    while (said.find(wanted) == std::string::npos) {
        const auto more = wire.read();
        if (more.empty()) throw std::runtime_error{"the stream ended before " + std::string{wanted} + ": " + said};
        said += more;
    }
    return said;
}

std::string read_to_the_end(Wire& wire) {
    std::string said;
    for (auto more = wire.read(); !more.empty(); more = wire.read()) said += more;
    return said;
}

/// The start tag of the iq that answers `id`, and where it is; empty if there is none.
std::string answer_to(const std::string& said, const std::string& id, std::size_t* at = nullptr) {
    const auto attribute = said.find(" id='" + id + "'");
    if (attribute == std::string::npos) return {};
    const auto begin = said.rfind('<', attribute);
    if (at != nullptr) *at = begin;
    return said.substr(begin, said.find('>', begin) - begin);
}

/// Everything in its order: bound under the name that was asked for, each ping answered, then the end.
void expect_the_story(Wire& wire, const std::string& jid, int count, const std::string& what) {
    std::string said;
    try {
        said = read_until(wire, " id='" + ping_id(count - 1) + "'");
        wire.write("</stream:stream>");
        said += read_to_the_end(wire);
    } catch (const std::exception& e) {
        ADD_FAILURE() << what << ": " << e.what() << "\n" << said.substr(0, 2000);
        return;
    }
    std::size_t last = said.find("<success");
    EXPECT_NE(last, std::string::npos) << what << ": " << said.substr(0, 2000);
    EXPECT_NE(said.find("<jid>" + jid + "</jid>"), std::string::npos) << what << ": " << said.substr(0, 2000);
    for (int i = 0; i < count; ++i) {
        std::size_t at = 0;
        const auto answer = answer_to(said, ping_id(i), &at);
        EXPECT_NE(answer.find(" type='result'"), std::string::npos) << what << ": " << ping_id(i) << ": " << answer;
        EXPECT_GT(at, last) << what << ": " << ping_id(i) << " was answered out of turn";
        last = at;
    }
    EXPECT_TRUE(said.ends_with("</stream:stream>")) << what << ": ends " << said.substr(said.size() - 40);
}

// --- the server -----------------------------------------------------------------------------------------------------

/// A server with one domain and nothing but what a login and a ping need.
class House {
public:
    explicit House(std::string domain, int threads = shards) : domain_(std::move(domain)), server_(config(threads)) {
        server_.start();
    }

    tambo::Server& server() noexcept { return server_; }
    const std::string& domain() const noexcept { return domain_; }
    void add_user(const std::string& user) {
        const auto made = server_.add_user(user + '@' + domain_, secret);
        if (!made) throw std::runtime_error{"no account for " + user + ": " + made.error().text};
    }
    std::unique_ptr<Wire> enter() { return std::make_unique<Piped>(server_.connect_in_process()); }
    std::unique_ptr<Wire> enter_over_tcp() {
        const auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto wire = std::make_unique<Plain>(fd);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(server_.port("c2s"));
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error{std::string{"cannot connect: "} + std::strerror(errno)};
        return wire;
    }
    std::string story(int account, const std::string& resource, int count) const {
        return whole_story(name(account), domain_, resource, count);
    }
    std::string jid(int account, const std::string& resource) const {
        return name(account) + '@' + domain_ + '/' + resource;
    }

private:
    tambo::Config config(int threads) const {
        tambo::Config config;
        config.domain(domain_).listen("127.0.0.1", 0).data(data_.path());
        config.set("server", "threads", std::to_string(threads));
        config.set("server", "module_path", TAMBO_BINARY_DIR "/modules, " TAMBO_BINARY_DIR "/plugins");
        config.set("server", "plugins", "store_memory, auth_store");
        for (const auto* module : {"starttls", "sasl", "bind", "disco", "ping"}) config.module(module);
        config.set("log", "target", (data_.path() / "log").string());
        config.set("limits", "auth_failures_per_address", "0");
        return config;
    }

    std::string domain_;
    Folder data_;
    tambo::Server server_;
};

class MovingHome : public testing::Test {
protected:
    void SetUp() override {
        for (int account = 0; account < accounts; ++account) house.add_user(name(account));
    }
    House house{"localhost"};
};

/// All at the same time, and from every shard: at most one in `shards` comes in where it is at home.
TEST_F(MovingHome, one_write_from_the_header_to_the_pings_is_answered_on_any_shard) {
    constexpr int count = 3;
    std::vector<std::unique_ptr<Wire>> wires;
    for (int i = 0; i < accounts * shards; ++i) wires.push_back(house.enter());
    const auto resource = [](int i) { return "r" + std::to_string(i % shards); };
    for (int i = 0; i < accounts * shards; ++i)
        wires[static_cast<std::size_t>(i)]->write(house.story(i / shards, resource(i), count));
    for (int i = 0; i < accounts * shards && !HasFailure(); ++i)
        expect_the_story(*wires[static_cast<std::size_t>(i)], house.jid(i / shards, resource(i)), count,
                         name(i / shards) + " from shard " + std::to_string(i % shards));
}

/// More than one buffer holds, so that the move finds bytes both read and unread.
TEST_F(MovingHome, a_long_tail_of_pings_is_answered_in_order) {
    constexpr int count = 1000;
    for (int i = 0; i < accounts && !HasFailure(); ++i) {
        const auto wire = house.enter();
        wire->write(house.story(i, "tail", count));
        expect_the_story(*wire, house.jid(i, "tail"), count, name(i));
    }
}

/// One account for each cut, and a batch of them at a time. `between` runs between the two writes of a batch.
void cut_everywhere(House& house, const std::function<void()>& between) {
    const auto size = static_cast<int>(house.story(accounts - 1, "cut", 1).size());
    for (int first = 1; first < size && !testing::Test::HasFailure(); first += accounts) {
        std::vector<std::unique_ptr<Wire>> wires;
        std::vector<std::pair<std::string, std::string>> halves;
        for (int i = 0; i < accounts; ++i) {
            const auto whole = house.story(i, "cut", 1);
            const auto cut = std::min(static_cast<std::size_t>(first + i), whole.size() - 1);
            wires.push_back(house.enter());
            halves.emplace_back(whole.substr(0, cut), whole.substr(cut));
        }
        for (std::size_t i = 0; i < wires.size(); ++i) wires[i]->write(halves[i].first);
        between();
        for (std::size_t i = 0; i < wires.size(); ++i) wires[i]->write(halves[i].second);
        for (int i = 0; i < accounts && !testing::Test::HasFailure(); ++i)
            expect_the_story(*wires[static_cast<std::size_t>(i)], house.jid(i, "cut"), 1,
                             name(i) + ", cut behind " + halves[static_cast<std::size_t>(i)].first);
    }
}

TEST_F(MovingHome, a_write_cut_anywhere_is_answered) {
    cut_everywhere(house, [] {});
}

TEST_F(MovingHome, a_write_cut_anywhere_is_answered_after_a_pause) {
    cut_everywhere(house, [this] { house.server().settle(); });
}

TEST_F(MovingHome, a_client_that_sends_single_bytes_is_answered) {
    for (int i = 0; i < accounts && !HasFailure(); ++i) {
        const auto wire = house.enter();
        for (const char byte : house.story(i, "bytes", 1)) wire->write({&byte, 1});
        expect_the_story(*wire, house.jid(i, "bytes"), 1, name(i));
    }
}

// --- the same behind STARTTLS
// -----------------------------------------------------------------------------------------

class MovingHomeEncrypted : public MovingHome, public testing::WithParamInterface<int> {
protected:
    /// A client whose next write follows its handshake: RFC 6120 §5.4.3.3 has it send a new header then.
    struct Client {
        std::unique_ptr<Wire> tcp;
        std::unique_ptr<Encrypted> tls;
    };
    Client start_tls() {
        Client client{house.enter_over_tcp(), nullptr};
        client.tcp->write(header(house.domain()) + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        read_until(*client.tcp, "<proceed");   // nothing follows it before the client's hello
        client.tls = std::make_unique<Encrypted>(*client.tcp, GetParam());
        client.tls->shake_hands();
        return client;
    }
};

TEST_P(MovingHomeEncrypted, one_write_behind_the_handshake_is_answered) {
    constexpr int count = 3;
    std::vector<Client> clients;
    for (int i = 0; i < accounts; ++i) clients.push_back(start_tls());
    for (int i = 0; i < accounts; ++i) clients[static_cast<std::size_t>(i)].tls->write(house.story(i, "tls", count));
    for (int i = 0; i < accounts && !HasFailure(); ++i)
        expect_the_story(*clients[static_cast<std::size_t>(i)].tls, house.jid(i, "tls"), count, name(i));
}

/// The second record is decrypted already when the socket has nothing more to say.
TEST_P(MovingHomeEncrypted, two_records_in_one_packet_cut_anywhere_are_answered) {
    const auto size = house.story(accounts - 1, "tls", 1).size();
    constexpr std::size_t step = 5;
    for (std::size_t at = 1; at < size && !HasFailure(); at += step) {
        const auto account = static_cast<int>(at / step) % accounts;
        const auto whole = house.story(account, "tls", 1);
        const auto cut = std::min(at, whole.size() - 1);
        const auto client = start_tls();
        client.tls->seal(std::string_view{whole}.substr(0, cut));
        client.tls->seal(std::string_view{whole}.substr(cut));
        client.tls->flush();
        expect_the_story(*client.tls, house.jid(account, "tls"), 1,
                         name(account) + ", cut behind " + whole.substr(0, cut));
    }
}

TEST_P(MovingHomeEncrypted, a_long_tail_of_pings_is_answered_in_order) {
    constexpr int count = 1000;   // four full records
    for (int i = 0; i < accounts && !HasFailure(); ++i) {
        const auto client = start_tls();
        client.tls->write(house.story(i, "tail", count));
        expect_the_story(*client.tls, house.jid(i, "tail"), count, name(i));
    }
}

INSTANTIATE_TEST_SUITE_P(Versions, MovingHomeEncrypted, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

// --- two of them
// ------------------------------------------------------------------------------------------------------

/// All that the server says to one who only tries to log in.
std::string try_to_log_in(House& house, const std::string& user) {
    const auto wire = house.enter();
    wire->write(header(house.domain()) + login(user) + "</stream:stream>");
    return read_to_the_end(*wire);
}

void live_a_little(House& house, const std::string& user, const std::string& resource) {
    const auto wire = house.enter();
    wire->write(whole_story(user, house.domain(), resource, 3));
    expect_the_story(*wire, user + '@' + house.domain() + '/' + resource, 3, user + " at " + house.domain());
}

// The third line of "done" of stone 2.
TEST(TwoServers, two_servers_live_in_one_process_and_one_reloads_while_the_other_chats) {
    House verona{"capulet.lit", 2};
    auto mantua = std::make_unique<House>("montague.lit", 2);
    verona.add_user("juliet");
    verona.add_user("nurse");
    mantua->add_user("romeo");
    EXPECT_NE(verona.server().port("c2s"), mantua->server().port("c2s"));
    live_a_little(*mantua, "romeo", "orchard");
    EXPECT_NE(try_to_log_in(*mantua, "juliet").find("<not-authorized/>"), std::string::npos);   // her home is elsewhere

    // Two chat in one, while every module of the other is swapped again and again.
    std::atomic<int> heard{0};
    tambo::Client::Callbacks listening;
    listening.on_stanza = [&](const tambo::Stanza&) { ++heard; };
    tambo::Client nurse{verona.server(), tambo::Jid::parse("nurse@capulet.lit/kitchen").value(), listening};
    tambo::Client juliet{verona.server(), tambo::Jid::parse("juliet@capulet.lit/balcony").value()};
    tambo::Client romeo{mantua->server(), tambo::Jid::parse("romeo@montague.lit/orchard").value()};
    ASSERT_TRUE(nurse.ready() && juliet.ready() && romeo.ready());
    std::atomic<bool> is_over{false};
    std::thread swapping{[&] {
        for (int round = 0; round < 3; ++round)
            for (const auto* module : {"ping", "disco", "bind", "sasl", "starttls"})
                EXPECT_TRUE(mantua->server().reload(module).done) << module;
        is_over = true;
    }};
    auto ping = tambo::Stanza::iq({}, {}, "get", "");
    ping.set_inner("<ping xmlns='urn:xmpp:ping'/>");
    int said = 0;
    do {
        EXPECT_TRUE(juliet.send("<message to='nurse@capulet.lit/kitchen'><body>Anon!</body></message>").has_value());
        ++said;
        EXPECT_TRUE(juliet.ask(ping).has_value());
        EXPECT_TRUE(romeo.ask(ping).has_value());
    } while (!is_over);
    swapping.join();
    verona.server().settle();
    EXPECT_EQ(heard, said);
    for (const auto& module : verona.server().modules()) EXPECT_TRUE(module.note.empty()) << module.name;

    // One ends while a client of the other is there.
    mantua.reset();
    EXPECT_TRUE(juliet.ask(ping).has_value());
    EXPECT_FALSE(romeo.ask(ping).has_value());
    live_a_little(verona, "juliet", "garden");

    // And the place is free for another.
    House again{"montague.lit", 2};
    again.add_user("romeo");
    live_a_little(again, "romeo", "orchard");
}

}   // namespace
