#include "relay.hpp"

#include <memory>

#include <gtest/gtest.h>

#include "folder.hpp"

namespace {

using namespace tambo;
using namespace tambo::funxmpp;
using Said = std::vector<std::string>;

const std::string ask = "<r xmlns='urn:xmpp:sm:3'/>";
std::string answer(int h) { return "<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(h) + "'/>"; }
std::string message(const std::string& id) { return "<message id='" + id + "'/>"; }

/// Remembers what goes out.
struct Ears final : Doors {
    void to_client(const std::string& stanza) override { client.push_back(stanza); }
    void tell_client(const std::string& stanza) override { told.push_back(stanza); }
    void close_client(std::string_view condition, std::string_view) override { closed = condition; }
    void to_server(const std::string& element) override { server.push_back(element); }
    void finish_server() override { is_finished = true; }
    void drop_server() override { is_dropped = true; }

    Said take_server() { return std::exchange(server, {}); }
    Said client, told, server;
    std::string closed;
    bool is_finished = false, is_dropped = false;
};

class RelayTest : public testing::Test {
protected:
    RelayTest() { start(); }
    void start(const Outbox::Bounds& bounds = {}) {   // as after kill -9, if there was one before
        relay.reset();
        outbox.reset();
        ears = {};
        outbox = std::make_unique<Outbox>(folder.file("outbox"), bounds);
        relay = std::make_unique<Relay>(*outbox, "romeo@montague.lit", ears);
    }
    void client_says(const std::string& xml) {
        const auto tape = parse_xml(xml);
        relay->client_said(Element{*tape, 0}, xml);
    }
    void server_says(const std::string& xml) {
        const auto tape = parse_xml(xml);
        relay->server_said(Element{*tape, 0}, xml);
    }
    void link(const std::string& sm_id = "session-1") {
        ASSERT_TRUE(relay->wants_link());
        relay->server_bound({.jid = "romeo@montague.lit/" + relay->wanted_resource(),
                             .mechanism = {},
                             .sm_id = sm_id,
                             .is_resumable = true,
                             .is_resumed = false,
                             .heard = {},
                             .early = {}});
    }
    void resume(std::uint32_t h) {
        ASSERT_TRUE(relay->wants_link());
        ASSERT_TRUE(relay->resumption());
        relay->server_bound({.jid = {},
                             .mechanism = {},
                             .sm_id = relay->resumption()->id,
                             .is_resumable = true,
                             .is_resumed = true,
                             .heard = h,
                             .early = {}});
    }

    const Folder folder;
    Ears ears;
    std::unique_ptr<Outbox> outbox;
    std::unique_ptr<Relay> relay;
};

}   // namespace

TEST_F(RelayTest, wants_no_link_before_somebody_is_there) {
    EXPECT_FALSE(relay->wants_link());
    relay->client_bound("garden");
    EXPECT_TRUE(relay->wants_link());
    EXPECT_EQ(relay->wanted_resource(), "garden");
    EXPECT_FALSE(relay->resumption());
}

TEST_F(RelayTest, what_was_said_without_network_goes_out_in_order_and_once) {
    relay->client_bound("garden");
    client_says(message("1"));
    client_says(message("2"));
    link();
    EXPECT_EQ(ears.take_server(), (Said{message("1"), message("2"), ask}));
    server_says(answer(2));
    EXPECT_TRUE(ears.take_server().empty());
    client_says(message("3"));
    EXPECT_EQ(ears.take_server(), (Said{message("3"), ask}));
    EXPECT_EQ(relay->unsent(), 1U);
}

TEST_F(RelayTest, a_resumed_session_gets_what_it_has_not_heard_and_nothing_else) {
    relay->client_bound("garden");
    link();
    for (const auto* id : {"1", "2", "3"}) client_says(message(id));
    relay->server_lost();
    client_says(message("4"));
    ears.take_server();
    resume(2);
    EXPECT_EQ(ears.take_server(), (Said{message("3"), message("4"), ask}));
    server_says(answer(4));
    EXPECT_EQ(relay->unsent(), 0U);
    EXPECT_TRUE(ears.told.empty());
    EXPECT_TRUE(ears.closed.empty());
}

TEST_F(RelayTest, a_lost_session_is_told_anew_what_the_old_one_knew) {
    relay->client_bound("garden");
    link();
    const std::string presence = "<presence><show>away</show></presence>";
    client_says("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    client_says("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
    client_says(presence);
    client_says(message("1"));
    server_says(answer(4));
    server_says("<iq type='result' id='r'/>");
    server_says("<presence from='juliet@capulet.lit/balcony'/>");
    server_says("<presence from='nurse@capulet.lit/x'/>");
    server_says("<presence from='nurse@capulet.lit/x' type='unavailable'/>");
    relay->client_took(4);
    client_says("<iq type='get' id='lost' to='juliet@capulet.lit'><query xmlns='urn:x'/></iq>");
    server_says(answer(5));
    relay->server_lost();
    client_says(message("2"));
    ears.take_server();
    ears.told.clear();
    link("session-2");
    const auto said = ears.take_server();
    ASSERT_EQ(said.size(), 5U);
    EXPECT_NE(said[0].find("jabber:iq:roster"), std::string::npos);
    EXPECT_NE(said[1].find("urn:xmpp:carbons:2"), std::string::npos);
    EXPECT_EQ(said[2], presence);
    EXPECT_EQ(said[3], message("2"));
    // Requests that the old session took and never answered: c and lost, not r. Then: who may have gone meanwhile.
    ASSERT_EQ(ears.told.size(), 3U);
    EXPECT_EQ(ears.told[2], "<presence from='juliet@capulet.lit/balcony' type='unavailable'/>");
    EXPECT_NE(ears.told[1].find("id='lost' from='juliet@capulet.lit'"), std::string::npos) << ears.told[1];
    // The answer to our own question is not for the client, but it counts.
    const auto id = said[0].substr(said[0].find("id='") + 4);
    ears.client.clear();
    ears.told.clear();
    server_says("<iq type='result' id='" + id.substr(0, id.find('\'')) +
                "'><query xmlns='jabber:iq:roster'><item jid='juliet@capulet.lit'/></query></iq>");
    EXPECT_EQ(ears.client, Said{""});
    // Nobody else can.
    server_says(
        "<iq type='result' id='funxmpp-proxy-roster' from='tybalt@capulet.lit/x'>"
        "<query xmlns='jabber:iq:roster'><item jid='tybalt@capulet.lit'/></query></iq>");
    // What it says of the roster the client hears as a push, whose answer goes no further.
    ASSERT_EQ(ears.told.size(), 1U);
    EXPECT_NE(ears.told[0].find("type='set'"), std::string::npos);
    EXPECT_NE(ears.told[0].find("jid='juliet@capulet.lit'/>"), std::string::npos) << ears.told[0];
    client_says("<iq type='result' id='funxmpp-proxy-push'/>");
    EXPECT_TRUE(ears.take_server().empty());
}

TEST_F(RelayTest, counts_as_received_what_the_client_took_and_not_before) {
    relay->client_bound("garden");
    link();
    server_says(message("1"));
    server_says(message("2"));
    server_says(ask);
    EXPECT_TRUE(ears.take_server().empty());
    relay->client_took(1);
    EXPECT_TRUE(ears.take_server().empty());
    relay->client_took(1);
    EXPECT_EQ(ears.take_server(), Said{answer(2)});
}

TEST_F(RelayTest, what_no_client_takes_is_not_acknowledged) {
    relay->client_bound("garden");
    link();
    client_says(message("unheard"));   // so the session stays for a while
    ears.take_server();
    server_says(message("1"));
    relay->client_took(1);
    server_says(message("2"));
    relay->client_left();
    server_says(message("3"));
    server_says(ask);
    server_says(ask);
    EXPECT_EQ(ears.take_server(), Said{answer(1)}) << "and the same is not said twice";
    server_says(answer(1));
    EXPECT_TRUE(ears.is_finished);
}

TEST_F(RelayTest, before_it_leaves_the_server_is_told_what_the_client_took) {
    relay->client_bound("garden");
    link();
    server_says(message("1"));
    server_says(message("2"));
    relay->client_took(1);
    relay->client_left();
    EXPECT_TRUE(ears.is_finished);
    EXPECT_EQ(ears.take_server(), Said{answer(1)}) << "or the server keeps for later what was heard";
}

TEST_F(RelayTest, after_a_kill_the_old_sitting_is_finished_before_the_new_one_gets_its_session) {
    relay->client_bound("garden");
    link();
    client_says(message("1"));
    client_says(message("2"));
    start();
    relay->client_bound("orchard");
    client_says(message("3"));
    EXPECT_EQ(relay->wanted_resource(), "garden");
    resume(1);
    EXPECT_EQ(ears.take_server(), (Said{message("2"), ask}));
    server_says(answer(2));
    EXPECT_TRUE(ears.is_finished);
    EXPECT_EQ(ears.take_server(), Said{answer(0)}) << "nobody took anything";
    relay->server_lost();
    EXPECT_EQ(relay->wanted_resource(), "orchard");
    EXPECT_FALSE(relay->resumption());
    link("session-2");
    EXPECT_EQ(ears.take_server(), (Said{message("3"), ask}));
}

TEST_F(RelayTest, a_client_that_leaves_without_network_leaves_its_words_behind) {
    relay->client_bound("garden");
    client_says(message("1"));
    relay->client_left();
    EXPECT_TRUE(relay->wants_link());
    link();
    EXPECT_EQ(ears.take_server(), (Said{message("1"), ask}));
    server_says(answer(1));
    EXPECT_TRUE(ears.is_finished);
    relay->server_lost();
    EXPECT_FALSE(relay->wants_link());
}

TEST_F(RelayTest, a_server_that_heard_more_than_was_said_is_not_believed) {
    relay->client_bound("garden");
    link();
    client_says(message("1"));
    server_says(answer(2));
    EXPECT_TRUE(ears.is_dropped);
    relay->server_lost();
    ears.take_server();
    EXPECT_FALSE(relay->resumption());
    link("session-2");
    EXPECT_EQ(ears.take_server(), (Said{message("1"), ask}));
}

TEST_F(RelayTest, without_room_the_client_learns_that_its_message_was_not_taken) {
    start({.stanzas = 1, .bytes = 1000});
    relay->client_bound("garden");
    client_says(message("1"));
    client_says("<message id='2' to='juliet@capulet.lit'/>");
    ASSERT_EQ(ears.told.size(), 1U);
    EXPECT_NE(ears.told[0].find("resource-constraint"), std::string::npos);
    EXPECT_NE(ears.told[0].find("id='2' from='juliet@capulet.lit'"), std::string::npos) << ears.told[0];
    link();
    EXPECT_EQ(ears.take_server(), (Said{message("1"), ask}));
}

TEST_F(RelayTest, no_more_than_a_window_is_on_the_wire_unheard) {
    relay->client_bound("garden");
    for (int i = 0; i < 1200; ++i) client_says(message(std::to_string(i)));
    link();
    EXPECT_EQ(ears.take_server().size(), 501U);
    server_says(answer(500));
    EXPECT_EQ(ears.take_server().size(), 501U);
    server_says(answer(1000));
    EXPECT_EQ(ears.take_server().size(), 201U);
}

TEST_F(RelayTest, a_link_that_broke_waits_until_the_client_has_what_was_on_the_way) {
    relay->client_bound("garden");
    link();
    server_says(message("1"));
    relay->server_lost();
    EXPECT_FALSE(relay->wants_link());
    relay->client_took(1);
    ASSERT_TRUE(relay->wants_link());
    EXPECT_EQ(relay->resumption()->handled, 1U);
}
