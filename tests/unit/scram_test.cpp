// RFC 5802 §5, RFC 7677 §3: the RFCs' own exchanges; and how the auth plugin writes and reads what comes out.
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <tambo/auth.hpp>
#include <tambo/bytes.hpp>

#include "plugins/auth_store/record.hpp"
#include "plugins/auth_store/turns.hpp"
#include "store/pbkdf2.hpp"

namespace {

using namespace tambo;

std::string hmac(const EVP_MD* md, std::string_view key, std::string_view text) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    HMAC(md, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         out, &length);
    return {reinterpret_cast<const char*>(out), length};
}

std::string hash(const EVP_MD* md, std::string_view text) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_Digest(text.data(), text.size(), out, &length, md, nullptr);
    return {reinterpret_cast<const char*>(out), length};
}

/// Does StoredKey accept the proof of the RFC's client (§3: H(ClientProof XOR ClientSignature) = StoredKey)?
bool accepts(const EVP_MD* md, const ScramKeys& keys, std::string_view auth_message, std::string_view proof) {
    auto client_key = *from_base64(proof);
    const auto signature = hmac(md, keys.stored_key, auth_message);
    for (std::size_t i = 0; i < client_key.size(); ++i) client_key[i] = static_cast<char>(client_key[i] ^ signature[i]);
    return hash(md, client_key) == keys.stored_key;
}

TEST(Scram, gives_the_keys_of_the_exchange_in_rfc_5802) {
    const auto keys = derive_scram("SHA-1", "pencil", *from_base64("QSXCR+Q6sek8bf92"), 4096);
    const std::string auth_message =
        "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
    EXPECT_EQ(keys.hash, "SHA-1");
    EXPECT_EQ(keys.iterations, 4096U);
    EXPECT_TRUE(accepts(EVP_sha1(), keys, auth_message, "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="));
    EXPECT_EQ(base64(hmac(EVP_sha1(), keys.server_key, auth_message)), "rmF9pqV8S7suAoZWja4dJRkFsKQ=");
}

TEST(Scram, gives_the_keys_of_the_exchange_in_rfc_7677) {
    const auto keys = derive_scram("SHA-256", "pencil", *from_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
    const std::string auth_message =
        "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    EXPECT_TRUE(accepts(EVP_sha256(), keys, auth_message, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
    EXPECT_EQ(base64(hmac(EVP_sha256(), keys.server_key, auth_message)),
              "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST(Scram, knows_sha_512_and_refuses_what_it_does_not_know) {
    const auto keys = derive_scram("SHA-512", "pencil", "salt", 1);
    EXPECT_EQ(keys.stored_key.size(), 64U);
    EXPECT_EQ(keys.server_key.size(), 64U);
    EXPECT_THROW(derive_scram("MD5", "pencil", "salt", 4096), std::invalid_argument);
    EXPECT_THROW(derive_scram("SHA-1", "pencil", "salt", 0), std::invalid_argument);
    EXPECT_THROW(derive_scram("SHA-1", "pencil", "salt", 0xffffffff), std::invalid_argument);
}

TEST(Scram, derives_what_openssl_derives_whatever_the_lengths) {
    const std::vector<std::pair<std::string, const EVP_MD*>> hashes{
        {"SHA-1", EVP_sha1()}, {"SHA-256", EVP_sha256()}, {"SHA-512", EVP_sha512()}};
    for (const auto& [name, md] : hashes) {
        for (const std::size_t length : {0, 1, 19, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 300}) {
            const std::string password(length, 'p'), salt(length + 1, 's');
            std::string expected(static_cast<std::size_t>(EVP_MD_get_size(md)), '\0');
            PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                              reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()), 3, md,
                              static_cast<int>(expected.size()), reinterpret_cast<unsigned char*>(expected.data()));
            EXPECT_EQ(pbkdf2(name, password, salt, 3), expected) << name << " of " << length << " bytes";
        }
    }
}

TEST(Scram, salts_each_hash_of_each_account_anew) {
    const auto one = derive_credentials("pencil", 1), other = derive_credentials("pencil", 1);
    ASSERT_EQ(one.keys.size(), 2U);
    EXPECT_EQ(one.keys[0].salt.size(), 16U);
    EXPECT_NE(one.find("SHA-1")->salt, one.find("SHA-256")->salt);
    EXPECT_NE(one.find("SHA-1")->salt, other.find("SHA-1")->salt);
    EXPECT_EQ(one.find("SHA-512"), nullptr);
}

TEST(CredentialsRecord, comes_back_as_it_went) {
    auto credentials = derive_credentials("pencil", 4096);
    credentials.keys.push_back(derive_scram("SHA-512", "pencil", std::string{"\0\n \xff", 4}, 1));
    const auto read = auth_store::read(auth_store::write(credentials));
    ASSERT_TRUE(read.has_value());
    ASSERT_EQ(read->keys.size(), 3U);
    for (const auto& keys : credentials.keys) {
        const auto* same = read->find(keys.hash);
        ASSERT_NE(same, nullptr);
        EXPECT_EQ(same->salt, keys.salt);
        EXPECT_EQ(same->iterations, keys.iterations);
        EXPECT_EQ(same->stored_key, keys.stored_key);
        EXPECT_EQ(same->server_key, keys.server_key);
    }
}

TEST(CredentialsRecord, lets_nobody_in_when_it_is_cut_anywhere) {
    const auto record = auth_store::write({{derive_scram("SHA-256", "pencil", "salt", 1)}});
    for (std::size_t cut = 0; cut < record.size(); ++cut)
        EXPECT_FALSE(auth_store::read(record.substr(0, cut))) << "cut at " << cut;
}

TEST(CredentialsRecord, refuses_what_it_would_not_have_written) {
    const auto key = base64(std::string(20, 'k'));
    const auto line = "SHA-1 4096 c2FsdA== " + key + " " + key + "\n";
    ASSERT_TRUE(auth_store::read("tambo-scram-1\n" + line));
    const std::vector<std::string> bad{
        "tambo-scram-2\n" + line,                                               // a format of the future
        "tambo-scram-1\n" + line + line,                                        // twice the same hash
        "tambo-scram-1\n",                                                      // no keys at all
        "tambo-scram-1\n\n" + line,                                             // an empty line
        "tambo-scram-1\nSHA-1 0 c2FsdA== " + key + " " + key + "\n",            // no iterations
        "tambo-scram-1\nSHA-1 -1 c2FsdA== " + key + " " + key + "\n",           //
        "tambo-scram-1\nSHA-1 4294967296 c2FsdA== " + key + " " + key + "\n",   // more than 32 bits
        "tambo-scram-1\nSHA-1 4096x c2FsdA== " + key + " " + key + "\n",        //
        "tambo-scram-1\nSHA-1 4096  " + key + " " + key + "\n",                 // no salt
        "tambo-scram-1\nSHA-1 4096 c2FsdA " + key + " " + key + "\n",           // not base64
        "tambo-scram-1\nSHA-256 4096 c2FsdA== " + key + " " + key + "\n",       // keys of another length
        "tambo-scram-1\nMD5 4096 c2FsdA== " + key + " " + key + "\n",           //
        "tambo-scram-1\nSHA-1 4096 c2FsdA== " + key + " " + key + " more\n",    //
        "tambo-scram-1\n" + std::string(10000, 'x') + "\n",                     //
    };
    for (const auto& record : bad) EXPECT_FALSE(auth_store::read(record)) << record.substr(0, 80);
}

Jid jid(std::string_view text) { return *Jid::parse(text); }

class TurnsTaken : public testing::Test {
protected:
    void run_deferred() {
        for (auto& job : std::exchange(deferred, {})) job();
    }
    std::vector<std::function<void()>> deferred;
    auth_store::Turns turns{[this](std::function<void()> job) { deferred.push_back(std::move(job)); }};
    using Turn = auth_store::Turns::Turn;
    const Jid juliet = jid("juliet@capulet.lit"), romeo = jid("romeo@montague.lit");
};

TEST_F(TurnsTaken, come_one_after_the_other_for_one_account_and_at_once_for_another) {
    auto first = std::make_unique<Turn>(turns, juliet);
    auto second = std::make_unique<Turn>(turns, juliet);
    Turn other{turns, romeo};
    EXPECT_TRUE(first->begun().await_ready());
    const auto waits = second->begun();
    EXPECT_FALSE(waits.await_ready());
    EXPECT_TRUE(other.begun().await_ready());
    first.reset();
    run_deferred();
    EXPECT_TRUE(waits.await_ready());
}

TEST_F(TurnsTaken, are_not_lost_when_one_that_waits_goes_away) {
    {
        auto first = std::make_unique<Turn>(turns, juliet);
        auto second = std::make_unique<Turn>(turns, juliet);
        auto third = std::make_unique<Turn>(turns, juliet);
        const auto waits = third->begun();
        first.reset();
        second.reset();   // its turn had come, but it did not know yet
        run_deferred();
        EXPECT_TRUE(waits.await_ready());
        Turn fourth{turns, juliet};
        Turn fifth{turns, juliet};
    }
    EXPECT_EQ(turns.accounts(), 0U);
}

}   // namespace
