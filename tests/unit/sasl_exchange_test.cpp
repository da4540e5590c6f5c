// The server's side of SASL, spoken to by a client of our own that is checked against the RFCs' examples.
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "modules/sasl/exchange.hpp"

namespace tambo::sasl {
namespace {

const EVP_MD* digest(std::string_view hash) { return hash == "SHA-1" ? EVP_sha1() : EVP_sha256(); }

Bytes hmac(std::string_view hash, std::string_view key, std::string_view text) {
    Bytes out(EVP_MAX_MD_SIZE, '\0');
    unsigned int length = 0;
    HMAC(digest(hash), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
         text.size(), reinterpret_cast<unsigned char*>(out.data()), &length);
    return out.substr(0, length);
}

Bytes hashed(std::string_view hash, std::string_view text) {
    Bytes out(EVP_MAX_MD_SIZE, '\0');
    unsigned int length = 0;
    EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), &length, digest(hash), nullptr);
    return out.substr(0, length);
}

Bytes salted_password(std::string_view hash, std::string_view password, std::string_view salt, int iterations) {
    Bytes out(static_cast<std::size_t>(EVP_MD_get_size(digest(hash))), '\0');
    PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                      reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()), iterations,
                      digest(hash), static_cast<int>(out.size()), reinterpret_cast<unsigned char*>(out.data()));
    return out;
}

ScramKeys keys_of(std::string_view hash, std::string_view password, std::string_view salt = "0123456789abcdef",
                  std::uint32_t iterations = 16) {
    const auto salted = salted_password(hash, password, salt, static_cast<int>(iterations));
    return ScramKeys{.hash = std::string{hash},
                     .salt = std::string{salt},
                     .iterations = iterations,
                     .stored_key = hashed(hash, hmac(hash, salted, "Client Key")),
                     .server_key = hmac(hash, salted, "Server Key")};
}

/// RFC 5802 from the other side; each part can be bent by a test.
struct Client {
    std::string hash = "SHA-256";
    std::string name = "user";
    std::string password = "pencil";
    std::string gs2 = "n,,";
    Bytes channel{};
    std::string nonce = "fyko+d2lbbFgONRv9qkxdawL";

    std::string first_bare() const { return "n=" + name + ",r=" + nonce; }
    std::string first() const { return gs2 + first_bare(); }

    std::map<char, std::string> fields(const std::string& message) const {
        std::map<char, std::string> found;
        for (std::size_t at = 0; at < message.size();) {
            const auto end = std::min(message.find(',', at), message.size());
            found[message[at]] = message.substr(at + 2, end - at - 2);
            at = end + 1;
        }
        return found;
    }
    std::string without_proof(const std::string& server_first) const {
        return "c=" + base64(gs2 + channel) + ",r=" + fields(server_first).at('r');
    }
    std::string auth_message(const std::string& server_first) const {
        return first_bare() + ',' + server_first + ',' + without_proof(server_first);
    }
    Bytes salted(const std::string& server_first) const {
        const auto f = fields(server_first);
        return salted_password(hash, password, *from_base64(f.at('s')), std::stoi(f.at('i')));
    }
    Bytes proof(const std::string& server_first) const {
        auto proof = hmac(hash, salted(server_first), "Client Key");
        const auto signature = hmac(hash, hashed(hash, proof), auth_message(server_first));
        for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ signature[i]);
        return proof;
    }
    std::string last(const std::string& server_first) const {
        return without_proof(server_first) + ",p=" + base64(proof(server_first));
    }
    std::string verifier(const std::string& server_first) const {
        return "v=" + base64(hmac(hash, hmac(hash, salted(server_first), "Server Key"), auth_message(server_first)));
    }
};

using State = Exchange::State;

Exchange exchange(std::string_view mechanism, const ScramKeys& keys, const Channel& channel = {}) {
    return Exchange{Library{}, *find_mechanism(mechanism), keys, channel};   // the library goes, its context stays
}

/// Plays both sides to the end; the last step is returned.
Exchange::Step talk(const Client& client, std::string_view mechanism, const ScramKeys& keys,
                    const Channel& channel = {}) {
    auto server = exchange(mechanism, keys, channel);
    auto step = server.step(client.first());
    if (step.state != State::challenge) return step;
    return server.step(client.last(step.message));
}

void expect_failure(const Exchange::Step& step, Failure why) {
    EXPECT_EQ(step.state, State::failure);
    EXPECT_EQ(to_string(step.failure), to_string(why));
    EXPECT_EQ(step.message, "");
}

// --- the client of these tests is right ------------------------------------------------------------------------------

TEST(SaslTestClient, computes_the_example_of_rfc_5802) {
    const Client client{.hash = "SHA-1"};
    const std::string challenge = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
    EXPECT_EQ(client.first(), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    EXPECT_EQ(client.last(challenge),
              "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    EXPECT_EQ(client.verifier(challenge), "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
}

TEST(SaslTestClient, computes_the_example_of_rfc_7677) {
    const Client client{.nonce = "rOprNGfwEbeRWgbNEkqO"};
    const std::string challenge =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    EXPECT_EQ(client.last(challenge),
              "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
              "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    EXPECT_EQ(client.verifier(challenge), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

// --- SCRAM -----------------------------------------------------------------------------------------------------------

TEST(SaslExchange, the_right_password_logs_in_and_the_server_proves_itself) {
    for (const auto& [mechanism, hash] : {std::pair{"SCRAM-SHA-1", "SHA-1"}, std::pair{"SCRAM-SHA-256", "SHA-256"}}) {
        const Client client{.hash = hash};
        auto server = exchange(mechanism, keys_of(hash, "pencil"));
        const auto challenge = server.step(client.first());
        ASSERT_EQ(challenge.state, State::challenge) << mechanism;
        const auto end = server.step(client.last(challenge.message));
        EXPECT_EQ(end.state, State::success) << mechanism;
        EXPECT_EQ(end.message, client.verifier(challenge.message)) << mechanism;
    }
}

TEST(SaslExchange, the_keys_of_rfc_5802_s_example_log_its_user_in) {
    const auto keys = keys_of("SHA-1", "pencil", *from_base64("QSXCR+Q6sek8bf92"), 4096);
    auto server = exchange("SCRAM-SHA-1", keys);
    const auto challenge = server.step("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    EXPECT_TRUE(challenge.message.starts_with("r=fyko+d2lbbFgONRv9qkxdawL"));
    EXPECT_TRUE(challenge.message.ends_with(",s=QSXCR+Q6sek8bf92,i=4096")) << challenge.message;
    const Client client{.hash = "SHA-1"};
    EXPECT_EQ(server.step(client.last(challenge.message)).state, State::success);
}

TEST(SaslExchange, names_with_comma_and_equals_sign_are_understood) {
    const Client client{.name = "a=2Cb=3Dc"};
    EXPECT_EQ(talk(client, "SCRAM-SHA-256", keys_of("SHA-256", "pencil")).state, State::success);
    EXPECT_EQ(read_claim(*find_mechanism("SCRAM-SHA-256"), client.first())->name, "a,b=c");
}

TEST(SaslExchange, a_wrong_password_is_not_authorized) {
    expect_failure(talk(Client{.password = "pencils"}, "SCRAM-SHA-256", keys_of("SHA-256", "pencil")),
                   Failure::not_authorized);
}

TEST(SaslExchange, no_two_challenges_are_alike) {
    const auto keys = keys_of("SHA-256", "pencil");
    EXPECT_NE(exchange("SCRAM-SHA-256", keys).step(Client{}.first()).message,
              exchange("SCRAM-SHA-256", keys).step(Client{}.first()).message);
}

TEST(SaslExchange, an_answer_can_not_be_used_twice) {
    const auto keys = keys_of("SHA-256", "pencil");
    const Client client;
    auto first = exchange("SCRAM-SHA-256", keys);
    const auto overheard = client.last(first.step(client.first()).message);
    auto second = exchange("SCRAM-SHA-256", keys);
    second.step(client.first());
    expect_failure(second.step(overheard), Failure::not_authorized);
}

TEST(SaslExchange, a_changed_nonce_is_refused) {
    const Client client;
    auto server = exchange("SCRAM-SHA-256", keys_of("SHA-256", "pencil"));
    auto challenge = server.step(client.first()).message;
    challenge.insert(challenge.find(','), "X");
    expect_failure(server.step(client.last(challenge)), Failure::not_authorized);
}

TEST(SaslExchange, an_empty_missing_or_short_proof_is_refused) {
    const Client client;
    for (const std::string proof : {",p=", "", ",p=AAAA", ",p==", ",p=!!!!"}) {
        auto server = exchange("SCRAM-SHA-256", keys_of("SHA-256", "pencil"));
        const auto challenge = server.step(client.first()).message;
        const auto end = server.step(client.without_proof(challenge) + proof);
        EXPECT_EQ(end.state, State::failure) << proof;
    }
}

TEST(SaslExchange, a_final_message_about_another_header_is_refused) {
    const Client client;
    auto server = exchange("SCRAM-SHA-256", keys_of("SHA-256", "pencil"));
    const auto challenge = server.step(client.first()).message;
    expect_failure(server.step(Client{.gs2 = "y,,"}.last(challenge)), Failure::not_authorized);
}

TEST(SaslExchange, decoy_keys_go_the_whole_way_and_fail_at_the_end) {
    for (const auto& [mechanism, hash] : {std::pair{"SCRAM-SHA-1", "SHA-1"}, std::pair{"SCRAM-SHA-256", "SHA-256"}})
        expect_failure(talk(Client{.hash = hash}, mechanism, decoy_keys("secret", hash, "nobody@localhost", 16)),
                       Failure::not_authorized);
}

TEST(SaslExchange, nothing_follows_success_or_failure) {
    const Client client;
    auto server = exchange("SCRAM-SHA-256", keys_of("SHA-256", "pencil"));
    const auto last = client.last(server.step(client.first()).message);
    EXPECT_EQ(server.step(last).state, State::success);
    expect_failure(server.step(last), Failure::malformed_request);
    expect_failure(server.step(client.first()), Failure::malformed_request);

    auto failed = exchange("SCRAM-SHA-256", keys_of("SHA-256", "pencil"));
    expect_failure(failed.step("garbage"), Failure::malformed_request);
    expect_failure(failed.step(client.first()), Failure::malformed_request);
}

TEST(SaslExchange, garbage_in_the_first_message_is_malformed) {
    using namespace std::string_literals;
    for (const auto& message : {""s,
                                "n"s,
                                ","s,
                                ",,"s,
                                ",,,"s,
                                "n,,"s,
                                "n,,n=,r=abc"s,
                                "n,,n=user"s,
                                "n,,n=user,"s,
                                "n,,n=user,r="s,
                                "n,,r=abc,n=user"s,
                                "x,,n=user,r=abc"s,
                                "p=,,n=user,r=abc"s,
                                "p,,n=user,r=abc"s,
                                "n,b,n=user,r=abc"s,
                                "n,a=,n=user,r=abc"s,
                                "n,,m=x,n=user,r=abc"s,
                                "n,,n=us=er,r=abc"s,
                                "n,,n=us=2c,r=abc"s,
                                "n,,n=user,r=a c"s,
                                "n,,n=user,r=\xc3\xa4"s,
                                "n,,n=us\0er,r=abc"s,
                                "n,,n=user,r=abc\0"s,
                                std::string(100'000, ',')}) {
        auto server = exchange("SCRAM-SHA-256", keys_of("SHA-256", "pencil"));
        expect_failure(server.step(message), Failure::malformed_request);
    }
}

TEST(SaslExchange, garbage_in_the_final_message_is_refused) {
    using namespace std::string_literals;
    for (const auto& message :
         {""s, "\0\1\2,,,==="s, ",,,"s, "c=biws"s, "c=biws,r=x,p=AAAA"s, "p=AAAA"s, "c=,r=,p="s}) {
        auto server = exchange("SCRAM-SHA-256", keys_of("SHA-256", "pencil"));
        server.step(Client{}.first());
        EXPECT_EQ(server.step(message).state, State::failure) << message;
    }
}

TEST(SaslExchange, a_message_cut_anywhere_never_logs_in) {
    const Client client;
    const auto whole = client.first();
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        auto server = exchange("SCRAM-SHA-256", keys_of("SHA-256", "pencil"));
        const auto challenge = server.step(whole.substr(0, cut));
        if (challenge.state != State::challenge) continue;   // a shorter nonce or name is a message too
        EXPECT_EQ(server.step(client.last(challenge.message)).state, State::failure) << "cut at " << cut;
    }
    for (std::size_t cut = 0;; ++cut) {
        auto server = exchange("SCRAM-SHA-256", keys_of("SHA-256", "pencil"));
        const auto last = client.last(server.step(whole).message);
        if (cut == last.size()) break;
        EXPECT_EQ(server.step(last.substr(0, cut)).state, State::failure) << "cut at " << cut;
    }
}

// --- channel binding -------------------------------------------------------------------------------------------------

const Channel bound{
    .exporter = "what only this TLS session exports", .unique = "its first Finished", .plus_was_offered = true};

TEST(SaslExchange, plus_with_the_channel_s_own_data_logs_in) {
    for (const auto& [mechanism, hash] :
         {std::pair{"SCRAM-SHA-1-PLUS", "SHA-1"}, std::pair{"SCRAM-SHA-256-PLUS", "SHA-256"}}) {
        const Client client{.hash = hash, .gs2 = "p=tls-exporter,,", .channel = bound.exporter};
        EXPECT_EQ(talk(client, mechanism, keys_of(hash, "pencil"), bound).state, State::success) << mechanism;
    }
}

TEST(SaslExchange, plus_with_another_channel_s_data_is_a_man_in_the_middle) {
    for (const auto& data : {Bytes{"what the other TLS session exports"}, Bytes{}, bound.exporter + "x"}) {
        const Client client{.gs2 = "p=tls-exporter,,", .channel = data};
        expect_failure(talk(client, "SCRAM-SHA-256-PLUS", keys_of("SHA-256", "pencil"), bound),
                       Failure::not_authorized);
    }
}

TEST(SaslExchange, plus_with_the_older_tls_unique_logs_in_if_the_data_is_right) {
    const auto keys = keys_of("SHA-256", "pencil");
    const Client client{.gs2 = "p=tls-unique,,", .channel = bound.unique};
    EXPECT_EQ(talk(client, "SCRAM-SHA-256-PLUS", keys, bound).state, State::success);
    const Client victim{.gs2 = "p=tls-unique,,", .channel = bound.exporter};
    expect_failure(talk(victim, "SCRAM-SHA-256-PLUS", keys, bound), Failure::not_authorized);
    const Channel newer{.exporter = bound.exporter, .unique = {}, .plus_was_offered = true};
    expect_failure(talk(client, "SCRAM-SHA-256-PLUS", keys, newer), Failure::not_authorized);
}

TEST(SaslExchange, plus_with_a_binding_that_we_do_not_know_is_refused) {
    for (const std::string type : {"tls-server-end-point", "tls-nonsense"}) {
        const Client client{.gs2 = "p=" + type + ",,", .channel = bound.exporter};
        expect_failure(talk(client, "SCRAM-SHA-256-PLUS", keys_of("SHA-256", "pencil"), bound),
                       Failure::not_authorized);
    }
}

TEST(SaslExchange, plus_without_binding_is_refused) {
    for (const std::string gs2 : {"n,,", "y,,"})
        expect_failure(talk(Client{.gs2 = gs2}, "SCRAM-SHA-256-PLUS", keys_of("SHA-256", "pencil"), bound),
                       Failure::not_authorized);
}

TEST(SaslExchange, plus_on_a_channel_without_exporter_is_refused) {
    const Client client{.gs2 = "p=tls-exporter,,"};
    expect_failure(talk(client, "SCRAM-SHA-256-PLUS", keys_of("SHA-256", "pencil"), {}), Failure::not_authorized);
}

TEST(SaslExchange, a_binding_under_a_mechanism_without_plus_is_refused) {
    for (const auto& data : {bound.exporter, Bytes{}}) {
        const Client client{.gs2 = "p=tls-exporter,,", .channel = data};
        expect_failure(talk(client, "SCRAM-SHA-256", keys_of("SHA-256", "pencil"), bound), Failure::not_authorized);
    }
}

TEST(SaslExchange, a_client_that_was_not_shown_our_plus_is_warned_by_failure) {
    const Client client{.gs2 = "y,,"};
    expect_failure(talk(client, "SCRAM-SHA-256", keys_of("SHA-256", "pencil"), bound), Failure::not_authorized);
    EXPECT_EQ(talk(client, "SCRAM-SHA-256", keys_of("SHA-256", "pencil"), {}).state, State::success)
        << "without an offer of ours, y is the truth";
}

// --- who it claims to be ---------------------------------------------------------------------------------------------

TEST(SaslClaim, plain_has_three_parts) {
    using namespace std::string_literals;
    const auto claim = read_claim(*find_mechanism("PLAIN"), "juliet@localhost\0juliet\0r0m30"s);
    ASSERT_TRUE(claim);
    EXPECT_EQ(claim->authzid, "juliet@localhost");
    EXPECT_EQ(claim->name, "juliet");
    EXPECT_EQ(claim->password, "r0m30");
}

TEST(SaslClaim, a_malformed_plain_message_is_refused) {
    using namespace std::string_literals;
    for (const auto& message : {""s, "nonulhere"s, "\0"s, "\0\0"s, "\0juliet"s, "\0juliet\0"s, "\0\0r0m30"s,
                                "\0juliet\0r0m30\0"s, "\0juliet\0r0m\0"s + "30"}) {
        const auto claim = read_claim(*find_mechanism("PLAIN"), message);
        ASSERT_FALSE(claim) << message.size();
        EXPECT_EQ(claim.error(), Failure::malformed_request);
    }
}

TEST(SaslClaim, scram_tells_name_and_authzid_without_their_escapes) {
    const auto claim = read_claim(*find_mechanism("SCRAM-SHA-1"), "n,a=x=3Dy@localhost,n=x=3Dy,r=abc,z=more");
    ASSERT_TRUE(claim);
    EXPECT_EQ(claim->name, "x=y");
    EXPECT_EQ(claim->authzid, "x=y@localhost");
}

TEST(SaslText, base64_is_strict_and_an_equals_sign_is_empty) {
    EXPECT_EQ(decode("="), Bytes{});
    EXPECT_EQ(decode("AGE="), (Bytes{"\0a", 2}));
    for (const auto* text : {"!!!not base64!!!", " AGE=", "AGE=\n", "AGE", "AG E=", "=AGE", "==", "AGF="})
        EXPECT_EQ(decode(text), (Outcome<Bytes>{std::unexpected{Failure::incorrect_encoding}})) << text;
}

// --- keys ------------------------------------------------------------------------------------------------------------

TEST(SaslKeys, match_the_password_that_they_were_made_of) {
    for (const auto* hash : {"SHA-1", "SHA-256"}) {
        EXPECT_TRUE(matches(keys_of(hash, "pencil"), "pencil")) << hash;
        EXPECT_FALSE(matches(keys_of(hash, "pencil"), "pencil ")) << hash;
        EXPECT_FALSE(matches(decoy_keys("secret", hash, "nobody@localhost", 16), "pencil")) << hash;
    }
}

TEST(SaslKeys, decoys_stay_the_same_for_one_name_and_differ_between_names_hashes_and_servers) {
    const auto keys = decoy_keys("secret", "SHA-256", "nobody@localhost", 16);
    EXPECT_EQ(keys.salt, decoy_keys("secret", "SHA-256", "nobody@localhost", 16).salt);
    EXPECT_NE(keys.salt, decoy_keys("secret", "SHA-256", "noone@localhost", 16).salt);
    EXPECT_NE(keys.salt, decoy_keys("secret", "SHA-1", "nobody@localhost", 16).salt);
    EXPECT_NE(keys.salt, decoy_keys("other", "SHA-256", "nobody@localhost", 16).salt);
}

TEST(SaslKeys, decoys_look_like_real_ones) {
    for (const auto& real : derive_credentials("pencil", 16).keys) {
        const auto decoy = decoy_keys("secret", real.hash, "nobody@localhost", real.iterations);
        EXPECT_EQ(decoy.salt.size(), real.salt.size()) << real.hash;
        EXPECT_EQ(decoy.stored_key.size(), real.stored_key.size()) << real.hash;
        EXPECT_EQ(decoy.server_key.size(), real.server_key.size()) << real.hash;
    }
}

TEST(SaslKeys, comparison_sees_every_byte_and_the_length) {
    EXPECT_TRUE(same("", ""));
    EXPECT_TRUE(same("abc", "abc"));
    EXPECT_FALSE(same("abc", "abd"));
    EXPECT_FALSE(same("abc", "ab"));
}

}   // namespace
}   // namespace tambo::sasl
