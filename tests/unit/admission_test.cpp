// Everybody comes at once: whose TLS handshake is next, who may wait, who costs nothing. One shard, real handshakes.
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "net/connection.hpp"
#include "net/openssl.hpp"
#include "net/transport.hpp"
#include "one_shard.hpp"

namespace {

using namespace tambo;

class StandingClock final : public Clock {
public:
    Time now() const noexcept override { return Time{passed_}; }
    Duration steady() const noexcept override { return passed_; }
    void pass(Duration time) { passed_ += time; }

private:
    Duration passed_{std::chrono::hours{1}};
};

/// The server's end of a socket pair; the test says when it is readable.
class Tin final : public Transport {
public:
    explicit Tin(int descriptor) : descriptor_(descriptor) {}
    ~Tin() override { ::close(descriptor_); }
    Outcome read(std::span<char> into) override {
        const auto n = ::recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT);
        return n > 0 ? Outcome{State::some, static_cast<std::size_t>(n)} : Outcome{n < 0 ? State::nothing : State::end};
    }
    Outcome write(std::string_view bytes) override {
        const auto n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        return n > 0 ? Outcome{State::some, static_cast<std::size_t>(n)} : Outcome{State::end};
    }
    void wait_readable(std::shared_ptr<Connection>) override {}
    void wait_writable(std::shared_ptr<Connection>) override {}
    void end_output() noexcept override {}
    int descriptor() const noexcept override { return descriptor_; }
    void leave() override {}
    void enter(Connection&) override {}

private:
    const int descriptor_;
};

using ClientContext = std::unique_ptr<SSL_CTX, openssl::Free<SSL_CTX_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, openssl::Free<SSL_SESSION_free>>;

/// A client of OpenSSL's, and the connection at which the server has it.
class Caller {
public:
    Caller(OneShard& house, SSL_CTX* context, SSL_SESSION* remembered) {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) != 0) throw std::runtime_error{"pair"};
        descriptor_ = ends[0];
        ssl_.reset(SSL_new(context));
        SSL_set_fd(ssl_.get(), descriptor_);
        SSL_set_connect_state(ssl_.get());
        if (remembered != nullptr) SSL_set_session(ssl_.get(), remembered);
        connection_ = std::make_shared<Connection>(
            house.shard(), std::make_unique<Tin>(ends[1]),
            std::make_shared<const Entrance>(Entrance{.name = "tls", .direct_tls = true}), "192.0.2.1");
        house.kernel().gate.admit(connection_->origin(), Duration{});
        house.shard().turn([&] { connection_->open(); });
    }
    ~Caller() {
        SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);   // or the session counts as broken
        hang_up();
        if (is_there()) connection_->shard().turn([&] { connection_->drop(); });
    }
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;

    Caller& say_hello() {
        SSL_do_handshake(ssl_.get());
        return is_heard();
    }
    Caller& say(std::string_view bytes) {
        (void)!::write(descriptor_, bytes.data(), bytes.size());
        return is_heard();
    }
    Caller& is_heard() {
        connection_->shard().turn([&] { connection_->readable(); });
        return *this;
    }
    void hang_up() {
        if (descriptor_ >= 0) ::close(descriptor_);
        descriptor_ = -1;
    }
    bool is_answered() const {
        char first = 0;
        return ::recv(descriptor_, &first, 1, MSG_PEEK) == 1;
    }
    bool is_turned_away() const {
        char first = 0;
        const auto n = ::recv(descriptor_, &first, 1, MSG_PEEK);
        return n == 0 || (n < 0 && errno == ECONNRESET);   // what it said was never read
    }
    bool finish() {
        const bool done = SSL_do_handshake(ssl_.get()) == 1;
        is_heard();
        return done && connection_->is_secure();
    }
    /// What to come back with.
    SessionPtr ticket() {
        char byte = 0;
        SSL_read(ssl_.get(), &byte, 1);   // TLS 1.3 sends it behind the handshake
        return SessionPtr{SSL_get1_session(ssl_.get())};
    }
    bool has_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
    bool is_there() const { return connection_.use_count() > 1; }

private:
    int descriptor_ = -1;
    openssl::Ssl ssl_;
    std::shared_ptr<Connection> connection_;   // shared with the shard
};

class AdmissionTest : public testing::Test {
protected:
    AdmissionTest() {
        house().kernel().tls.add(TlsStore::make_self_signed(folder_, {"localhost"}));
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT);
    }
    ~AdmissionTest() override { std::filesystem::remove_all(folder_); }

    static Config config() {
        Config config;
        config.set("limits", "handshakes", "1").set("limits", "handshakes_waiting", "3");
        config.set("limits", "head_start", "10s");
        return config;
    }
    Server::Options options() {
        Server::Options options;
        options.clock = clock_;
        options.log = [this](Level, std::string_view line) { log_ += std::string{line} + "\n"; };
        return options;
    }

    OneShard& house() { return *house_; }
    std::unique_ptr<Caller> call(SSL_SESSION* remembered = nullptr) {
        return std::make_unique<Caller>(house(), context_.get(), remembered);
    }
    /// One turn of the loop: `handshakes` of them.
    void turn() {
        house().shard().io.restart();
        house().shard().io.poll_one();
    }
    void all_turns() { house().shard().drain(); }
    double figure(const std::string& name) {
        for (const auto& f : house().kernel().board.figures())
            if (f.name == name) return f.value;
        return -1;
    }
    SessionPtr ticket() {
        auto first = call();
        first->say_hello();
        all_turns();
        if (!first->finish()) throw std::runtime_error{"no handshake"};
        return first->ticket();
    }

    std::shared_ptr<StandingClock> clock_ = std::make_shared<StandingClock>();   // shared with the server
    std::string log_;
    std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("tambo-admission-" + random_token(8));
    std::unique_ptr<OneShard> house_ = std::make_unique<OneShard>(config(), options());
    ClientContext context_{SSL_CTX_new(TLS_client_method())};
};

TEST_F(AdmissionTest, lets_who_comes_back_go_first_and_the_rest_in_order) {
    const auto remembered = ticket();
    auto a = call(), b = call(), back = call(remembered.get());
    for (auto* one : {a.get(), b.get(), back.get()}) one->say_hello();
    EXPECT_FALSE(a->is_answered()) << "nobody is served out of turn";
    turn();
    EXPECT_TRUE(back->is_answered());
    EXPECT_FALSE(a->is_answered());
    turn();
    EXPECT_TRUE(a->is_answered());
    EXPECT_FALSE(b->is_answered());
    turn();
    for (auto* one : {a.get(), b.get(), back.get()}) EXPECT_TRUE(one->finish());
    EXPECT_TRUE(back->has_resumed());
    EXPECT_EQ(figure("handshakes_total"), 4);
    EXPECT_EQ(figure("handshakes_resuming_total"), 1);
    EXPECT_EQ(figure("handshakes_waiting"), 0);
}

TEST_F(AdmissionTest, lets_nobody_wait_for_ever_behind_those_who_come_back) {
    const auto remembered = ticket();
    auto old = call();
    clock_->pass(std::chrono::seconds{11});
    auto back = call(remembered.get());
    old->say_hello();
    back->say_hello();
    turn();
    EXPECT_TRUE(old->is_answered());
    EXPECT_FALSE(back->is_answered());
}

TEST_F(AdmissionTest, turns_away_who_would_go_last_when_there_is_no_room) {
    const auto remembered = ticket();
    auto a = call(), b = call(), c = call(), late = call();
    for (auto* one : {a.get(), b.get(), c.get(), late.get()}) one->say_hello();
    EXPECT_TRUE(late->is_turned_away());
    auto back = call(remembered.get());
    back->say_hello();
    EXPECT_TRUE(c->is_turned_away());
    EXPECT_FALSE(b->is_turned_away());
    EXPECT_EQ(figure("handshakes_refused_total"), 2);
    EXPECT_NE(log_.find("many clients come at once"), log_.npos) << log_;
    EXPECT_EQ(log_.find("the crowd is in"), log_.npos) << log_;
    all_turns();
    for (auto* one : {a.get(), b.get(), back.get()}) EXPECT_TRUE(one->finish());
    EXPECT_NE(log_.find("the crowd is in: 3 handshakes"), log_.npos) << log_;
    EXPECT_NE(log_.find("2 were turned away"), log_.npos) << log_;
}

TEST_F(AdmissionTest, does_no_work_for_who_has_gone) {
    auto a = call(), b = call();
    a->say_hello();
    b->say_hello();
    a->hang_up();
    turn();
    EXPECT_TRUE(b->is_answered()) << "in the same turn: nothing was done for the other";
    EXPECT_FALSE(a->is_there());
    EXPECT_EQ(figure("handshakes_total"), 1);
    EXPECT_EQ(figure("handshakes_abandoned_total"), 1);
}

TEST_F(AdmissionTest, forgets_whose_time_is_over) {
    auto a = call();
    a->say_hello();
    clock_->pass(std::chrono::seconds{61});
    house().shard().turn([&] { house().shard().advance(); });
    EXPECT_TRUE(a->is_turned_away());
    EXPECT_EQ(figure("handshakes_waiting"), 0);
    all_turns();
    EXPECT_EQ(figure("handshakes_total"), 0);
}

// Who says nothing, half a hello, nonsense, or nothing more after it, holds no place.
TEST_F(AdmissionTest, is_not_starved_by_those_who_never_finish) {
    std::vector<std::unique_ptr<Caller>> flood;
    for (int i = 0; i < 40; ++i) {
        flood.push_back(call());
        auto& one = *flood.back();
        if (i % 4 == 1) one.say("\x16\x03\x01\x02\x00\x01");
        if (i % 4 == 2) one.say("<?xml version='1.0'?>");
        if (i % 4 == 3) one.say_hello();
        all_turns();
    }
    auto honest = call();
    honest->say_hello();
    turn();
    EXPECT_TRUE(honest->is_answered());
    EXPECT_TRUE(honest->finish());
    EXPECT_EQ(figure("handshakes_waiting"), 0);
}

// A hello in pieces has to queue up for each of them, so that the expensive one is no way around the queue.
TEST_F(AdmissionTest, takes_a_hello_in_pieces_in_turn) {
    auto in_pieces = call();
    const openssl::Ssl scratch{SSL_new(context_.get())};
    BIO* out = BIO_new(BIO_s_mem());
    SSL_set_bio(scratch.get(), BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(scratch.get());
    SSL_do_handshake(scratch.get());
    std::string hello(4096, '\0');
    hello.resize(static_cast<std::size_t>(BIO_read(out, hello.data(), static_cast<int>(hello.size()))));
    in_pieces->say(hello.substr(0, 20));
    all_turns();
    auto other = call();
    other->say_hello();
    clock_->pass(std::chrono::seconds{1});
    in_pieces->say(hello.substr(20));
    EXPECT_FALSE(in_pieces->is_answered());
    all_turns();
    EXPECT_TRUE(in_pieces->is_answered());
    EXPECT_TRUE(other->is_answered());
}

}   // namespace
