#include "local_stream.hpp"

#include <gtest/gtest.h>

namespace {

using namespace tambo::funxmpp;
using Kind = LocalStream::Kind;

const Credentials account{.user = "romeo", .domain = "montague.lit", .password = "verona"};

const std::string header =
    "<?xml version='1.0'?><stream:stream to='montague.lit' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>";
const std::string right_plain =   // NUL romeo NUL verona
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHZlcm9uYQ==</auth>";
const std::string wrong_name =   // NUL juliet NUL verona
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldAB2ZXJvbmE=</auth>";
const std::string wrong_password =   // NUL romeo NUL capulet
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAGNhcHVsZXQ=</auth>";
const std::string bind =
    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
    "<resource>garden</resource></bind></iq>";

/// Feeds, and collects what it says and what came of it.
struct Spoken {
    explicit Spoken(LocalStream& stream) : stream(stream) {}
    Spoken& say(const std::string& bytes) {
        stream.feed(bytes);
        for (auto kind = stream.next(out); kind != Kind::nothing; kind = stream.next(out)) {
            kinds.push_back(kind);
            if (kind == Kind::stanza) stanzas.push_back(stream.stanza());
            if (kind == Kind::closed) break;
        }
        return *this;
    }
    bool heard(const std::string& what) const { return out.find(what) != std::string::npos; }

    LocalStream& stream;
    std::string out;
    std::vector<Kind> kinds;
    std::vector<std::string> stanzas;
};

}   // namespace

TEST(LocalStream, lets_the_account_in_wherever_the_socket_cuts) {
    const auto all = header + right_plain + header + bind + "<presence/>";
    for (std::size_t cut = 0; cut < all.size(); ++cut) {
        LocalStream stream{account};
        Spoken spoken{stream};
        spoken.say(all.substr(0, cut)).say(all.substr(cut));
        EXPECT_EQ(spoken.kinds, (std::vector{Kind::bound, Kind::stanza})) << "cut at " << cut << ": " << spoken.out;
        EXPECT_EQ(stream.resource(), "garden");
        EXPECT_TRUE(spoken.heard("<jid>romeo@montague.lit/garden</jid>"));
    }
}

TEST(LocalStream, speaks_scram_with_a_client) {
    for (const auto* mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-1"}) {
        for (const auto* password : {"verona", "capulet"}) {
            auto credentials = account;
            credentials.password = password;
            SaslExchange client{SaslExchange::Role::client, mechanism, credentials};
            LocalStream stream{account};
            Spoken spoken{stream};
            spoken.say(header);
            auto step = client.step({});
            spoken.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" + std::string{mechanism} + "'>" +
                       step.message + "</auth>");
            const auto begin = spoken.out.find("<challenge");
            ASSERT_NE(begin, std::string::npos) << spoken.out;
            const auto text = spoken.out.find('>', begin) + 1;
            step = client.step(spoken.out.substr(text, spoken.out.find('<', text) - text));
            spoken.say("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + step.message + "</response>");
            EXPECT_EQ(spoken.heard("<success"), credentials.password == account.password) << spoken.out;
        }
    }
}

TEST(LocalStream, lets_nobody_else_in_and_ends_after_three_attempts) {
    LocalStream stream{account};
    Spoken spoken{stream};
    spoken.say(header).say(wrong_name).say(wrong_password);
    EXPECT_TRUE(spoken.kinds.empty());
    EXPECT_TRUE(spoken.heard("not-authorized"));
    spoken.say(wrong_password);
    EXPECT_EQ(spoken.kinds, std::vector{Kind::closed});
    EXPECT_FALSE(spoken.heard("<success"));
}

TEST(LocalStream, takes_nothing_but_authentication_first_and_nothing_large) {
    for (const auto& said :
         {header + bind, header + "<presence/>", header + "<a>" + std::string(20'000, 'x'),
          std::string{"POST / HTTP/1.1\r\n\r\n"}, header + "<!DOCTYPE a>", header + "<auth mechanism='PLAIN'/>"}) {
        LocalStream stream{account};
        Spoken spoken{stream};
        spoken.say(said);
        EXPECT_EQ(spoken.kinds, std::vector{Kind::closed}) << said.substr(0, 300);
        EXPECT_TRUE(spoken.heard("<stream:error>")) << spoken.out;
    }
}

TEST(LocalStream, answers_pings_of_the_server_and_passes_on_those_to_people) {
    LocalStream stream{account};
    Spoken spoken{stream};
    spoken.say(header + right_plain + header + bind);
    spoken.out.clear();
    spoken.say("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT_TRUE(spoken.heard("id='1'")) << spoken.out;
    spoken.say("<iq type='get' id='2' to='montague.lit'><ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT_TRUE(spoken.heard("from='montague.lit'")) << spoken.out;
    EXPECT_TRUE(spoken.stanzas.empty());
    spoken.say("<iq type='get' id='3' to='juliet@capulet.lit/x'><ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT_EQ(spoken.stanzas.size(), 1U);
}

TEST(LocalStream, knows_one_domain) {
    LocalStream stream{account};
    Spoken spoken{stream};
    auto other = header;
    spoken.say(other.replace(other.find("montague.lit"), 12, "capulet.lit"));
    EXPECT_TRUE(spoken.heard("host-unknown")) << spoken.out;
}
