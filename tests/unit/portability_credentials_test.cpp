// XEP-0227: passwords as tambo, Prosody and ejabberd write them.
#include <string>

#include <gtest/gtest.h>

#include "modules/portability/credentials.hpp"

namespace {

using namespace tambo;
using namespace tambo::portability;

Result<Brought> read(const std::string& user) {
    const auto tape = parse_xml(user);
    if (!tape) return std::unexpected{tape.error()};
    return read_credentials(Element{*tape, 0});
}

std::string element(std::string_view mechanism, std::string_view iterations, std::string_view key) {
    return "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='" + std::string{mechanism} +
           "'>\n  <iter-count>" + std::string{iterations} + "</iter-count><salt>c2FsdA==</salt><server-key>\n" +
           std::string{key} + "</server-key><stored-key>" + std::string{key} + "</stored-key></scram-credentials>";
}

const std::string key_20 = base64(std::string(20, 's')), key_32 = base64(std::string(32, 's'));

TEST(PortableCredentials, come_back_as_they_were_written) {
    Credentials credentials;
    credentials.keys.push_back({"SHA-1", "salt", 4096, std::string(20, '\x01'), std::string(20, '\xff')});
    credentials.keys.push_back({"SHA-256", "pepper", 10'000, std::string(32, '\x02'), std::string(32, '\xfe')});
    const auto back = read("<user xmlns='urn:xmpp:pie:0' name='juliet'>" + written(credentials) + "</user>");
    ASSERT_TRUE(back);
    EXPECT_FALSE(back->password);
    ASSERT_EQ(back->credentials.keys.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(back->credentials.keys[i].hash, credentials.keys[i].hash);
        EXPECT_EQ(back->credentials.keys[i].salt, credentials.keys[i].salt);
        EXPECT_EQ(back->credentials.keys[i].iterations, credentials.keys[i].iterations);
        EXPECT_EQ(back->credentials.keys[i].stored_key, credentials.keys[i].stored_key);
        EXPECT_EQ(back->credentials.keys[i].server_key, credentials.keys[i].server_key);
    }
}

TEST(PortableCredentials, may_be_a_password_or_nothing) {
    const auto plain = read("<user name='a' password='cheeky &amp; bold'/>");
    ASSERT_TRUE(plain && plain->password);
    EXPECT_EQ(*plain->password, "cheeky & bold");
    const auto none = read("<user name='a'/>");
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->credentials.keys.empty() && !none->password);
}

// ejabberd before 18.06 had no element for them.
TEST(PortableCredentials, may_stand_in_the_attribute_as_old_ejabberds_wrote_them) {
    const auto sha1 = read("<user name='a' password='scram:" + key_20 + "," + key_20 + ",c2FsdA==,4096'/>");
    ASSERT_TRUE(sha1);
    ASSERT_NE(sha1->credentials.find("SHA-1"), nullptr);
    EXPECT_EQ(sha1->credentials.find("SHA-1")->iterations, 4096U);
    const auto sha256 = read("<user name='a' password='scram:sha256," + key_32 + "," + key_32 + ",c2FsdA==,4096'/>");
    ASSERT_TRUE(sha256);
    EXPECT_NE(sha256->credentials.find("SHA-256"), nullptr);
    EXPECT_FALSE(read("<user name='a' password='scram:whatever'/>"));
}

TEST(PortableCredentials, of_unknown_hashes_are_left_out) {
    const auto user = read("<user name='a'>" + element("SCRAM-SHA3-512", "4096", key_32) +
                           element("SCRAM-SHA-256", "4096", key_32) + "</user>");
    ASSERT_TRUE(user);
    EXPECT_EQ(user->credentials.keys.size(), 1U);
}

TEST(PortableCredentials, are_refused_when_nobody_could_log_in_with_them) {
    EXPECT_FALSE(read("<user name='a'>" + element("SCRAM-SHA-256", "4096", key_20) + "</user>")) << "keys of SHA-1";
    EXPECT_FALSE(read("<user name='a'>" + element("SCRAM-SHA-1", "4096", "not base64!") + "</user>"));
    for (const auto* iterations : {"0", "-1", "4e3", "", "99999999999"})
        EXPECT_FALSE(read("<user name='a'>" + element("SCRAM-SHA-1", iterations, key_20) + "</user>")) << iterations;
}

}   // namespace
