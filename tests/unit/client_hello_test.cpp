// RFC 8446 §4.1.2: what a ClientHello tells before anything is computed for it, whoever sends it.
#include "net/client_hello.hpp"

#include <array>
#include <memory>
#include <random>
#include <string>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

namespace {

std::string bytes(std::size_t number, std::size_t count) {
    std::string out;
    while (count-- > 0) out += static_cast<char>(number >> (8 * count) & 0xff);
    return out;
}

std::string block(std::size_t length_bytes, const std::string& content) {
    return bytes(content.size(), length_bytes) + content;
}

std::string hello(const std::string& extensions) {
    const auto body = bytes(0x0303, 2) + std::string(32, 'r') + block(1, std::string(32, 's')) +
                      block(2, bytes(0x1301, 2)) + block(1, bytes(0, 1)) + block(2, extensions);
    return bytes(22, 1) + bytes(0x0301, 2) + block(2, bytes(1, 1) + block(3, body));
}

std::string extension(std::size_t type, const std::string& content) { return bytes(type, 2) + block(2, content); }

const std::string sni = extension(0, "some name"), psk = extension(41, "identity and binder"),
                  ticket = extension(35, "ticket"), wants_ticket = extension(35, {});

TEST(ClientHello, tells_who_comes_back_with_a_ticket) {
    EXPECT_TRUE(tambo::offers_resumption(hello(sni + psk)));
    EXPECT_TRUE(tambo::offers_resumption(hello(ticket + sni)));
    EXPECT_FALSE(tambo::offers_resumption(hello(sni)));
    EXPECT_FALSE(tambo::offers_resumption(hello(sni + wants_ticket)));
    EXPECT_FALSE(tambo::offers_resumption(hello({})));
}

TEST(ClientHello, is_not_believed_until_it_is_whole) {
    const auto whole = hello(sni + psk);
    for (std::size_t cut = 0; cut < whole.size(); ++cut)
        EXPECT_FALSE(tambo::offers_resumption(whole.substr(0, cut))) << "cut at " << cut;
    EXPECT_TRUE(tambo::offers_resumption(whole + "what comes behind it"));
}

TEST(ClientHello, that_is_none_says_nothing) {
    EXPECT_FALSE(tambo::offers_resumption("<?xml version='1.0'?><stream:stream"));
    EXPECT_FALSE(tambo::offers_resumption(std::string(5000, '\xff')));
    EXPECT_FALSE(tambo::offers_resumption(std::string(5000, '\0')));
    std::minstd_rand chance{1};
    const auto whole = hello(sni + psk);
    for (int round = 0; round < 20'000; ++round) {   // lengths that lie must lead nowhere; ASan watches
        auto wrong = whole;
        for (int i = 0; i < 3; ++i) wrong[chance() % wrong.size()] = static_cast<char>(chance());
        tambo::offers_resumption(wrong);
    }
}

// What OpenSSL says to a server that it meets for the first time.
TEST(ClientHello, of_a_real_client_is_read) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl{SSL_new(context.get()), SSL_free};
    BIO* out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl.get());
    SSL_do_handshake(ssl.get());
    std::array<char, tambo::max_hello_bytes> said{};
    const int size = BIO_read(out, said.data(), static_cast<int>(said.size()));
    ASSERT_GT(size, 100);
    EXPECT_FALSE(tambo::offers_resumption({said.data(), static_cast<std::size_t>(size)}));
}

}   // namespace
