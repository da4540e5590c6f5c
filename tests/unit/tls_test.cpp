#include "net/tls.hpp"

#include <array>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <malloc.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/ascii_name.hpp"
#include "net/openssl.hpp"

namespace tambo {
namespace {

namespace fs = std::filesystem;
using State = Tls::State;
using ClientContext = std::unique_ptr<SSL_CTX, openssl::Free<SSL_CTX_free>>;
using X509Ptr = std::unique_ptr<X509, openssl::Free<X509_free>>;

class CountingLog final : public Log {
public:
    bool enabled(Level) const noexcept override { return true; }
    void write(Level level, std::string_view line) noexcept override {
        if (level == Level::warning) ++warnings;
        last = line;
    }
    int warnings = 0;
    std::string last;
};

class Folder {
public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "tambo-tls-XXXXXX").native();
        if (!::mkdtemp(name.data())) throw std::runtime_error{"mkdtemp"};
        path_ = name;
    }
    ~Folder() { fs::remove_all(path_); }
    const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

struct Wire {
    int server = -1, client = -1;
    Wire() {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) != 0)
            throw std::runtime_error{"socketpair"};
        server = ends[0];
        client = ends[1];
    }
    ~Wire() {
        ::close(server);
        hang_up();
    }
    void hang_up() {
        if (client >= 0) ::close(client);
        client = -1;
    }
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;
};

struct ClientWish {
    int min_version = TLS1_2_VERSION, max_version = TLS1_3_VERSION;
    std::string sni{}, alpn{};
    bool extended_master_secret = true;
    fs::path trusted{};
};

/// What a client does, with OpenSSL's own socket code.
class Client {
public:
    Client(int descriptor, const ClientWish& wish) : context_(SSL_CTX_new(TLS_client_method())) {
        SSL_CTX_set_security_level(context_.get(), 0);   // it may offer TLS 1.1
        SSL_CTX_set_min_proto_version(context_.get(), wish.min_version);
        SSL_CTX_set_max_proto_version(context_.get(), wish.max_version);
        if (!wish.extended_master_secret) SSL_CTX_set_options(context_.get(), SSL_OP_NO_EXTENDED_MASTER_SECRET);
        if (!wish.trusted.empty()) {
            SSL_CTX_load_verify_file(context_.get(), wish.trusted.c_str());
            SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
        }
        ssl_.reset(SSL_new(context_.get()));
        SSL_set_fd(ssl_.get(), descriptor);
        SSL_set_connect_state(ssl_.get());
        if (!wish.sni.empty()) SSL_set_tlsext_host_name(ssl_.get(), wish.sni.c_str());
        if (!wish.trusted.empty()) SSL_set1_host(ssl_.get(), wish.sni.c_str());
        if (!wish.alpn.empty()) {
            const std::string offer = static_cast<char>(wish.alpn.size()) + wish.alpn;
            SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(offer.data()),
                                static_cast<unsigned>(offer.size()));
        }
    }

    SSL* ssl() const { return ssl_.get(); }

    State handshake() { return judge(SSL_do_handshake(ssl_.get())); }
    State read(std::string& into) {
        std::array<char, 20000> buffer{};
        std::size_t n = 0;
        const State state = judge(SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &n));
        into.append(buffer.data(), n);
        return state;
    }
    bool write(std::string_view bytes) {
        std::size_t n = 0;
        return SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n) == 1 && n == bytes.size();
    }
    std::string subject() const {
        const X509Ptr certificate{SSL_get1_peer_certificate(ssl_.get())};
        std::array<char, 256> name{};
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(), name.size());
        return name.data();
    }

private:
    State judge(int result) {
        const int error = SSL_get_error(ssl_.get(), result);
        ERR_clear_error();
        switch (error) {
            case SSL_ERROR_NONE:
                return State::done;
            case SSL_ERROR_WANT_READ:
                return State::want_read;
            case SSL_ERROR_WANT_WRITE:
                return State::want_write;
            case SSL_ERROR_ZERO_RETURN:
                return State::closed;
            default:
                return State::failed;
        }
    }

    ClientContext context_;
    openssl::Ssl ssl_;
};

bool is_waiting(State state) { return state == State::want_read || state == State::want_write; }

/// Both sides take turns until neither gets any further.
struct Handshake {
    State server = State::want_read, client = State::want_read;
    Handshake(Tls& tls, Client& peer) {
        for (int turn = 0; turn < 20 && (is_waiting(server) || is_waiting(client)); ++turn) {
            if (is_waiting(client)) client = peer.handshake();
            if (is_waiting(server)) server = tls.handshake();
        }
    }
    bool succeeded() const { return server == State::done && client == State::done; }
};

std::string read_all(Tls& tls) {
    std::string all;
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto got = tls.read(buffer);
        if (got.state != State::done) return all;
        all.append(buffer.data(), got.bytes);
    }
}

class TlsTest : public testing::Test {
protected:
    TlsStore::Certificate certificate(const std::string& domain) {
        return TlsStore::make_self_signed(folder.path() / domain, {domain});
    }
    void serve(const std::string& domain) { store->add(certificate(domain)); }

    void make_store(TlsStore::Settings settings = {}) { store.emplace(std::move(settings), log); }
    void SetUp() override {
        make_store();
        serve("verona.lit");
        serve("mantua.lit");
    }

    Folder folder;
    CountingLog log;
    std::optional<TlsStore> store;
    Wire wire;
};

TEST_F(TlsTest, speaks_tls_1_3_with_who_can) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    EXPECT_FALSE(tls.established());
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    EXPECT_TRUE(tls.established());
    EXPECT_EQ(tls.version(), "TLSv1.3");
    EXPECT_FALSE(tls.cipher().empty());
}

TEST_F(TlsTest, speaks_tls_1_2_with_forward_secrecy) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {.max_version = TLS1_2_VERSION}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    EXPECT_EQ(tls.version(), "TLSv1.2");
    EXPECT_TRUE(tls.cipher().starts_with("ECDHE-")) << tls.cipher();
}

TEST_F(TlsTest, refuses_tls_1_1) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {.min_version = TLS1_1_VERSION, .max_version = TLS1_1_VERSION}};
    const Handshake shake{tls, client};
    EXPECT_EQ(shake.server, State::failed);
    EXPECT_FALSE(tls.error().empty());
    EXPECT_FALSE(tls.established());
}

TEST_F(TlsTest, refuses_tls_1_2_where_the_settings_say_so) {
    make_store({.allow_tls12 = false});
    serve("verona.lit");
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {.max_version = TLS1_2_VERSION}};
    EXPECT_EQ(Handshake(tls, client).server, State::failed);
}

TEST_F(TlsTest, sni_selects_the_certificate) {
    Tls tls{*store, wire.server, "verona.lit", true};
    Client client{wire.client, {.sni = "MANTUA.lit"}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    EXPECT_EQ(client.subject(), "mantua.lit");
}

TEST_F(TlsTest, the_domain_of_the_stream_decides_without_sni) {
    Tls tls{*store, wire.server, "mantua.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    EXPECT_EQ(client.subject(), "mantua.lit");
}

TEST_F(TlsTest, the_first_certificate_serves_whom_nobody_knows) {
    Tls tls{*store, wire.server, "padua.lit", false};
    Client client{wire.client, {.sni = "venice.lit"}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    EXPECT_EQ(client.subject(), "verona.lit");
}

TEST_F(TlsTest, sni_of_an_international_domain_comes_in_ascii) {
    serve("bücher.example");
    EXPECT_TRUE(store->has("bücher.example"));
    EXPECT_TRUE(store->has("xn--bcher-kva.example"));
    Tls tls{*store, wire.server, "", true};
    Client client{wire.client, {.sni = "xn--bcher-kva.example"}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    EXPECT_EQ(client.subject(), "xn--bcher-kva.example");
}

TEST_F(TlsTest, without_any_certificate_there_is_no_tls) {
    TlsStore empty{{}, log};
    EXPECT_FALSE(empty.has("verona.lit"));
    EXPECT_THROW((Tls{empty, wire.server, "verona.lit", false}), std::runtime_error);
}

TEST_F(TlsTest, direct_tls_agrees_on_xmpp_client) {
    Tls tls{*store, wire.server, "verona.lit", true};
    Client client{wire.client, {.alpn = "xmpp-client"}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client.ssl(), &protocol, &size);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(protocol), size), "xmpp-client");
}

TEST_F(TlsTest, direct_tls_refuses_another_protocol) {
    Tls tls{*store, wire.server, "verona.lit", true};
    Client client{wire.client, {.alpn = "h2"}};
    const Handshake shake{tls, client};
    EXPECT_EQ(shake.server, State::failed);
    EXPECT_EQ(shake.client, State::failed);
}

TEST_F(TlsTest, after_starttls_nobody_cares_about_alpn) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {.alpn = "h2"}};
    EXPECT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
}

TEST_F(TlsTest, bytes_arrive_in_both_directions) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    ASSERT_TRUE(client.write("<message/>"));
    EXPECT_EQ(read_all(tls), "<message/>");
    const auto sent = tls.write("<presence/>");
    EXPECT_EQ(sent.state, State::done);
    EXPECT_EQ(sent.bytes, 11U);
    std::string received;
    client.read(received);
    EXPECT_EQ(received, "<presence/>");
}

TEST_F(TlsTest, what_waits_inside_is_pending_until_it_is_read) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    ASSERT_TRUE(client.write("O Romeo, "));
    ASSERT_TRUE(client.write("Romeo!"));
    std::array<char, 4> small{};
    ASSERT_EQ(tls.read(small).bytes, 4U);
    EXPECT_TRUE(tls.has_pending());
    EXPECT_EQ(read_all(tls), "meo, Romeo!");
    EXPECT_FALSE(tls.has_pending());
}

TEST_F(TlsTest, a_piece_of_a_record_is_not_pending) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    read_all(tls);
    const std::string half{"\x17\x03\x03\x00\x40 and no more", 17};
    ASSERT_EQ(::write(wire.client, half.data(), half.size()), static_cast<ssize_t>(half.size()));
    std::array<char, 64> buffer{};
    EXPECT_EQ(tls.read(buffer).state, State::want_read);
    EXPECT_FALSE(tls.has_pending()) << "or the caller would spin";
}

TEST_F(TlsTest, a_full_socket_takes_a_part_and_the_rest_later_from_elsewhere) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    const std::string speech(3'000'000, 'x');
    std::string received;
    std::size_t sent = 0;
    bool was_full = false;
    while (received.size() < speech.size()) {
        const std::string rest = speech.substr(sent);   // a new address each time
        const auto outcome = rest.empty() ? Tls::Outcome{State::want_write, 0} : tls.write(rest);
        ASSERT_NE(outcome.state, State::failed) << tls.error();
        sent += outcome.bytes;
        if (outcome.state != State::want_write) continue;
        was_full = true;
        while (client.read(received) == State::done) {
        }
    }
    EXPECT_TRUE(was_full);
    EXPECT_EQ(received, speech);
}

TEST_F(TlsTest, both_ends_export_the_same_channel_binding) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const Wire line;
        Tls tls{*store, line.server, "verona.lit", false};
        Client client{line.client, {.max_version = version}};
        EXPECT_TRUE(tls.exporter().empty()) << "nothing is agreed yet";
        ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
        std::string theirs(32, '\0');
        SSL_export_keying_material(client.ssl(), reinterpret_cast<unsigned char*>(theirs.data()), theirs.size(),
                                   "EXPORTER-Channel-Binding", 24, nullptr, 0, 1);
        EXPECT_EQ(tls.exporter(), theirs) << tls.version();
        std::array<char, 64> finished{};
        const auto size = SSL_get_finished(client.ssl(), finished.data(), finished.size());
        EXPECT_EQ(tls.unique(), std::string(finished.data(), size)) << tls.version();
    }
}

TEST_F(TlsTest, tls_1_2_without_extended_master_secret_exports_nothing) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {.max_version = TLS1_2_VERSION, .extended_master_secret = false}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    EXPECT_EQ(tls.exporter(), "");
    EXPECT_EQ(tls.unique(), "");
}

TEST_F(TlsTest, the_end_point_is_the_hash_of_the_certificate_that_was_sent) {
    Tls tls{*store, wire.server, "verona.lit", true};
    Client client{wire.client, {.sni = "mantua.lit"}};
    EXPECT_TRUE(tls.server_end_point().empty());
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    const X509Ptr certificate{SSL_get1_peer_certificate(client.ssl())};
    std::array<unsigned char, 32> hash{};
    X509_digest(certificate.get(), EVP_sha256(), hash.data(), nullptr);
    EXPECT_EQ(tls.server_end_point(), std::string(reinterpret_cast<const char*>(hash.data()), hash.size()));
}

/// Signs the certificate of `made` again, with another hash.
void sign_again(const TlsStore::Certificate& made, const EVP_MD* hash) {
    std::unique_ptr<BIO, openssl::Free<BIO_free_all>> in{BIO_new_file(made.chain.c_str(), "r")};
    const X509Ptr certificate{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)};
    in.reset(BIO_new_file(made.key.c_str(), "r"));
    const std::unique_ptr<EVP_PKEY, openssl::Free<EVP_PKEY_free>> key{
        PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr)};
    ASSERT_GT(X509_sign(certificate.get(), key.get(), hash), 0);
    const std::unique_ptr<BIO, openssl::Free<BIO_free_all>> out{BIO_new_file(made.chain.c_str(), "w")};
    ASSERT_EQ(PEM_write_bio_X509(out.get(), certificate.get()), 1);
}

TEST_F(TlsTest, the_end_point_uses_the_hash_of_the_signature) {
    const auto made = certificate("padua.lit");
    sign_again(made, EVP_sha384());
    store->add(made);
    Tls tls{*store, wire.server, "padua.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    EXPECT_EQ(tls.server_end_point().size(), 48U);
}

TEST_F(TlsTest, a_farewell_reads_as_closed) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    SSL_shutdown(client.ssl());
    std::array<char, 64> buffer{};
    EXPECT_EQ(tls.read(buffer).state, State::closed);
    tls.shut_down();
    std::string nothing;
    EXPECT_EQ(client.read(nothing), State::closed);
}

TEST_F(TlsTest, a_connection_that_just_ends_reads_as_closed) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    std::string ticket;
    client.read(ticket);   // a socket with unread bytes would end with a reset
    wire.hang_up();
    std::array<char, 64> buffer{};
    EXPECT_EQ(tls.read(buffer).state, State::closed);
}

TEST_F(TlsTest, writing_to_who_has_gone_fails_and_raises_no_signal) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    wire.hang_up();
    EXPECT_EQ(tls.write("Romeo?").state, State::failed);   // SIGPIPE would have ended us
    EXPECT_FALSE(tls.error().empty());
    EXPECT_EQ(tls.write("Romeo?").state, State::failed);
    tls.shut_down();
}

TEST_F(TlsTest, garbage_instead_of_a_client_hello_fails) {
    const std::vector<std::string> rubbish{"<stream:stream to='verona.lit'>",
                                           std::string(5, '\0'),
                                           std::string("\x16\x03\x01\xff\xff garbage", 13),
                                           std::string(100'000, '\xff'),
                                           std::string("\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9),
                                           "GET / HTTP/1.1\r\n\r\n"};
    for (const auto& bytes : rubbish) {
        const Wire line;
        Tls tls{*store, line.server, "verona.lit", true};
        ASSERT_GT(::send(line.client, bytes.data(), bytes.size(), MSG_NOSIGNAL), 0);
        EXPECT_EQ(tls.handshake(), State::failed) << bytes.substr(0, 20);
        EXPECT_FALSE(tls.error().empty());
        EXPECT_EQ(tls.handshake(), State::failed) << "and stays failed";
        EXPECT_EQ(ERR_peek_error(), 0UL) << "the next session of this thread starts clean";
    }
}

TEST_F(TlsTest, garbage_after_the_handshake_fails) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    const std::string forged{"\x17\x03\x03\x00\x20 0123456789abcdef0123456789abcdef", 38};
    ASSERT_GT(::send(wire.client, forged.data(), forged.size(), MSG_NOSIGNAL), 0);
    std::array<char, 64> buffer{};
    EXPECT_EQ(tls.read(buffer).state, State::failed);
    EXPECT_FALSE(tls.established());
}

TEST_F(TlsTest, the_handshake_survives_any_cut) {
    Tls tls{*store, wire.server, "verona.lit", false};
    const Wire inner;   // the client's bytes are carried over by hand, one at a time
    Client client{inner.client, {}};
    State server = State::want_read;
    State peer = State::want_read;
    std::array<char, 8192> buffer{};
    for (int turn = 0; turn < 20 && (is_waiting(server) || is_waiting(peer)); ++turn) {
        if (is_waiting(peer)) peer = client.handshake();
        for (char c = 0; ::recv(inner.server, &c, 1, 0) == 1;) {
            ASSERT_EQ(::send(wire.client, &c, 1, 0), 1);
            if (is_waiting(server)) server = tls.handshake();
        }
        const auto back = ::recv(wire.client, buffer.data(), buffer.size(), 0);
        if (back > 0) {
            ASSERT_EQ(::send(inner.server, buffer.data(), static_cast<std::size_t>(back), 0), back);
        }
    }
    EXPECT_EQ(server, State::done) << tls.error();
    EXPECT_EQ(peer, State::done);
}

TEST_F(TlsTest, a_client_resumes_with_its_ticket) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        std::unique_ptr<SSL_SESSION, openssl::Free<SSL_SESSION_free>> remembered;
        {
            const Wire line;
            Tls tls{*store, line.server, "verona.lit", false};
            Client client{line.client, {.max_version = version}};
            ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
            ASSERT_EQ(tls.write("hello").state, State::done);
            std::string hello;
            client.read(hello);   // the ticket of TLS 1.3 comes with it
            remembered.reset(SSL_get1_session(client.ssl()));
            SSL_shutdown(client.ssl());
        }
        const Wire line;
        Tls tls{*store, line.server, "verona.lit", false};
        Client client{line.client, {.max_version = version}};
        SSL_set_session(client.ssl(), remembered.get());
        ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
        EXPECT_EQ(SSL_session_reused(client.ssl()), 1) << tls.version();
        EXPECT_FALSE(tls.server_end_point().empty()) << "channel binding works on a resumed session too";
        std::array<char, 64> finished{};
        const auto size = version == TLS1_2_VERSION
                              ? SSL_get_peer_finished(client.ssl(), finished.data(), finished.size())
                              : 0;   // the first Finished of a resumed TLS 1.2 session is ours
        if (size > 0) {
            EXPECT_EQ(tls.unique(), std::string(finished.data(), size));
        }
    }
}

TEST_F(TlsTest, a_session_moves_with_its_owner) {
    Tls first{*store, wire.server, "verona.lit", true};
    Client client{wire.client, {.sni = "mantua.lit", .alpn = "xmpp-client"}};
    client.handshake();
    Tls second{std::move(first)};   // in the middle of the handshake
    ASSERT_TRUE(Handshake(second, client).succeeded()) << second.error();
    EXPECT_EQ(client.subject(), "mantua.lit");
}

TEST_F(TlsTest, a_session_may_outlive_the_store) {
    Tls tls{*store, wire.server, "verona.lit", true};
    Client client{wire.client, {.sni = "mantua.lit"}};
    store.reset();
    EXPECT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
}

std::string serial(const Client& client) {
    const X509Ptr certificate{SSL_get1_peer_certificate(client.ssl())};
    const std::unique_ptr<BIGNUM, openssl::Free<BN_free>> number{
        ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr)};
    return std::to_string(BN_get_word(number.get()));
}

std::string serial_of_a_new_connection(TlsStore& store, const std::string& domain) {
    const Wire line;
    Tls tls{store, line.server, domain, false};
    Client client{line.client, {}};
    EXPECT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    return serial(client);
}

void overwrite(const fs::path& file, std::string_view text) {
    std::ofstream{file, std::ios::binary | std::ios::trunc} << text;
}

TEST_F(TlsTest, a_renewed_file_is_picked_up_while_an_old_session_goes_on) {
    Tls tls{*store, wire.server, "verona.lit", false};
    Client client{wire.client, {}};
    ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
    EXPECT_EQ(store->refresh(), 0U) << "nothing changed";
    fs::remove(certificate("verona.lit").chain);
    certificate("verona.lit");   // makes a new one
    EXPECT_EQ(store->refresh(), 1U);
    EXPECT_EQ(store->refresh(), 0U);
    EXPECT_NE(serial_of_a_new_connection(*store, "verona.lit"), serial(client));
    ASSERT_TRUE(client.write("still here"));
    EXPECT_EQ(read_all(tls), "still here");
    EXPECT_EQ(log.warnings, 0);
}

TEST_F(TlsTest, a_broken_renewal_keeps_the_old_certificate_and_complains_once) {
    const auto made = certificate("verona.lit");
    const auto before = serial_of_a_new_connection(*store, "verona.lit");
    overwrite(made.chain, "-----BEGIN CERTIFICATE-----\nhalf of it");
    EXPECT_EQ(store->refresh(), 0U);
    EXPECT_EQ(log.warnings, 1);
    EXPECT_NE(log.last.find(made.chain.native()), std::string::npos) << log.last;
    EXPECT_EQ(store->refresh(), 0U);
    EXPECT_EQ(log.warnings, 1) << "once for each cause";
    EXPECT_EQ(serial_of_a_new_connection(*store, "verona.lit"), before);
    fs::remove(made.chain);
    certificate("verona.lit");
    EXPECT_EQ(store->refresh(), 1U) << "and recovers";
}

TEST_F(TlsTest, a_vanished_file_keeps_the_old_certificate) {
    fs::remove(certificate("verona.lit").key);
    EXPECT_EQ(store->refresh(), 0U);
    EXPECT_EQ(log.warnings, 1);
    serial_of_a_new_connection(*store, "verona.lit");
}

std::string complaint(TlsStore& store, const TlsStore::Certificate& certificate) {
    try {
        store.add(certificate);
    } catch (const std::runtime_error& e) {
        return e.what();
    }
    return "none";
}

TEST_F(TlsTest, a_bad_certificate_is_refused_with_the_name_of_the_file) {
    auto made = certificate("padua.lit");
    const auto other = certificate("venice.lit");
    EXPECT_NE(complaint(*store, {"padua.lit", "/no/such/chain.pem", made.key}).find("/no/such/chain.pem"),
              std::string::npos);
    const auto mismatch = complaint(*store, {"padua.lit", made.chain, other.key});
    EXPECT_NE(mismatch.find(other.key.native()), std::string::npos) << mismatch;
    EXPECT_NE(mismatch.find("mismatch"), std::string::npos) << mismatch;
    EXPECT_FALSE(store->has("padua.lit"));
}

TEST_F(TlsTest, a_key_with_a_passphrase_is_refused_without_asking_for_it) {
    const auto made = certificate("padua.lit");
    {
        const std::unique_ptr<BIO, openssl::Free<BIO_free_all>> out{BIO_new_file(made.key.c_str(), "w")};
        const std::unique_ptr<EVP_PKEY, openssl::Free<EVP_PKEY_free>> key{EVP_EC_gen("P-256")};
        unsigned char secret[] = "sesame";
        ASSERT_EQ(PEM_write_bio_PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), secret, 6, nullptr, nullptr), 1);
    }
    EXPECT_NE(complaint(*store, made).find(made.key.native()), std::string::npos);
}

TEST_F(TlsTest, bad_ciphers_are_a_sentence) {
    TlsStore strange{{.ciphers = "ROT13"}, log};
    EXPECT_NE(complaint(strange, certificate("verona.lit")).find("ROT13"), std::string::npos);
}

TEST_F(TlsTest, a_self_signed_certificate_satisfies_who_trusts_it) {
    const auto made = TlsStore::make_self_signed(folder.path() / "own", {"verona.lit", "bücher.example", "127.0.0.1"});
    make_store();
    store->add(made);
    for (const char* name : {"verona.lit", "xn--bcher-kva.example"}) {
        const Wire line;
        Tls tls{*store, line.server, "verona.lit", true};
        Client client{line.client, {.sni = name, .trusted = made.chain}};
        EXPECT_TRUE(Handshake(tls, client).succeeded()) << name << ": " << tls.error();
    }
    Tls tls{*store, wire.server, "verona.lit", true};
    Client client{wire.client, {.sni = "padua.lit", .trusted = made.chain}};
    EXPECT_FALSE(Handshake(tls, client).succeeded()) << "the check above can fail";
}

TEST_F(TlsTest, a_self_signed_key_is_private_and_made_once) {
    const auto made = certificate("padua.lit");
    struct stat key{};
    ASSERT_EQ(::stat(made.key.c_str(), &key), 0);
    EXPECT_EQ(key.st_mode & 0777, 0600U);
    const auto written = fs::last_write_time(made.chain);
    const auto inode = key.st_ino;
    certificate("padua.lit");
    EXPECT_EQ(fs::last_write_time(made.chain), written);
    ASSERT_EQ(::stat(made.key.c_str(), &key), 0);
    EXPECT_EQ(key.st_ino, inode);
}

TEST_F(TlsTest, two_stores_in_one_process_do_not_meet) {
    TlsStore other{{}, log};
    other.add(certificate("padua.lit"));
    EXPECT_FALSE(other.has("verona.lit"));
    EXPECT_FALSE(store->has("padua.lit"));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(TlsTest, an_idle_session_holds_no_buffers) {
    constexpr std::size_t sessions = 64;
    std::vector<std::unique_ptr<Wire>> wires;
    std::vector<Tls> all;
    all.reserve(sessions);
    std::size_t heap = 0;
    for (std::size_t i = 0; i < sessions + 1; ++i) {   // the first one fills OpenSSL's own caches
        if (i == 1) heap = ::mallinfo2().uordblks;
        wires.push_back(std::make_unique<Wire>());
        Tls tls{*store, wires.back()->server, "verona.lit", false};
        {
            Client client{wires.back()->client, {}};
            ASSERT_TRUE(Handshake(tls, client).succeeded()) << tls.error();
            ASSERT_TRUE(client.write(std::string(9000, 'x')));
            ASSERT_EQ(read_all(tls).size(), 9000U);
            ASSERT_EQ(tls.write(std::string(9000, 'x')).state, State::done);
        }
        if (i > 0) all.push_back(std::move(tls));
    }
    const auto each = (::mallinfo2().uordblks - heap) / sessions;
    std::cout << "an idle session holds " << each << " bytes\n";
    EXPECT_LT(each, 16'000U) << "a read or a write buffer is 17 KB";
}
#endif

TEST(AsciiName, leaves_alone_what_is_no_name) {
    EXPECT_EQ(ascii_name("Verona.LIT"), "verona.lit");
    EXPECT_EQ(ascii_name("127.0.0.1"), "127.0.0.1");
    EXPECT_EQ(ascii_name(""), "");
    EXPECT_EQ(ascii_name("b\xc3"), "b\xc3");
    EXPECT_EQ(ascii_name("faß.de"), "xn--fa-hia.de");
}

}   // namespace
}   // namespace tambo
