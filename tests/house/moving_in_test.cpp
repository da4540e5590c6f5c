// XEP-0227: what one account had, another has after an export and an import; what that one had before is replaced.
#include <string>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace {

class MovingIn : public testing::Test {
protected:
    MovingIn() {
        play::Cast cast;
        cast.modules = play::all_modules();
        cast.modules.push_back("mirror");
        cast.folders = {TAMBO_BINARY_DIR "/house_modules"};
        cast.threads = 1;
        stage_ = play::in_process(cast);
        for (const auto* user : {"juliet", "romeo", "copy"}) stage_->add_user(user, "secret");
    }

    void connect(play::Client& client) {
        client.connect(stage_->connect(), play::Wishes{.priority = {}, .presence = false});
        client.ignore("roster pushes");
    }

    static std::string ask(play::Client& client, const std::string& type, const std::string& payload) {
        client.send("<iq type='" + type + "' id='q'>" + payload + "</iq>");
        const auto answer = client.receive();
        EXPECT_EQ(*answer.attribute("type"), "result") << payload << answer.str();
        return answer.children.empty() ? "" : answer.children.front().str();
    }

    std::unique_ptr<play::Stage> stage_;
};

TEST_F(MovingIn, brings_contacts_requests_card_private_elements_and_blocks) {
    play::Client juliet{"juliet", "j", "localhost"}, romeo{"romeo", "r", "localhost"}, copy{"copy", "c", "localhost"};
    connect(juliet);
    connect(romeo);
    connect(copy);
    constexpr auto get_roster = "<query xmlns='jabber:iq:roster'/>", get_card = "<vCard xmlns='vcard-temp'/>",
                   get_blocks = "<blocklist xmlns='urn:xmpp:blocking'/>",
                   get_private = "<query xmlns='jabber:iq:private'><a xmlns='x:a'/></query>",
                   get_other = "<query xmlns='jabber:iq:private'><b xmlns='x:b'/></query>";
    for (const auto* payload :
         {"<query xmlns='jabber:iq:roster'><item jid='nurse@localhost' name='A &amp; "
          "B'><group>Staff</group></item></query>",
          "<vCard xmlns='vcard-temp'><FN>Juliet</FN><PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard>",
          "<query xmlns='jabber:iq:private'><a xmlns='x:a'><deep xmlns='x:deep'/></a></query>",
          "<block xmlns='urn:xmpp:blocking'><item jid='paris@localhost'/><item jid='verona.lit/duke'/></block>"})
        ask(juliet, "set", payload);
    romeo.send("<presence type='subscribe' to='juliet@localhost'><status>Say yes</status></presence>");
    juliet.send("<presence type='subscribe' to='romeo@localhost'/><presence type='subscribed' to='friend@localhost'/>");
    romeo.sync();
    juliet.sync();
    // what is in the way there
    for (const auto* payload : {"<query xmlns='jabber:iq:roster'><item jid='old@localhost'/></query>",
                                "<query xmlns='jabber:iq:private'><b xmlns='x:b'>old</b></query>",
                                "<block xmlns='urn:xmpp:blocking'><item jid='old@localhost'/></block>"})
        ask(copy, "set", payload);

    const auto moved = stage_->server()->give(
        "mirror", {.who = {}, .given = {{"from", {"juliet@localhost"}}, {"to", {"copy@localhost"}}}});
    ASSERT_TRUE(moved.has_value()) << moved.error().text;
    EXPECT_NE(moved->text.find(" xmlns='jabber:client'"), std::string::npos) << moved->text;

    const auto roster = ask(copy, "get", get_roster);
    EXPECT_EQ(roster, ask(juliet, "get", get_roster));
    EXPECT_NE(roster.find("ask='subscribe'"), std::string::npos) << "romeo has not answered: " << roster;
    EXPECT_NE(roster.find("approved='true'"), std::string::npos) << "friend is approved: " << roster;
    EXPECT_NE(roster.find("<group>Staff</group>"), std::string::npos) << roster;
    EXPECT_EQ(ask(copy, "get", get_card), ask(juliet, "get", get_card));
    EXPECT_EQ(ask(copy, "get", get_blocks), ask(juliet, "get", get_blocks));
    EXPECT_EQ(ask(copy, "get", get_private), ask(juliet, "get", get_private));
    EXPECT_NE(ask(copy, "get", get_private).find("x:deep"), std::string::npos);
    EXPECT_EQ(ask(copy, "get", get_other).find("old"), std::string::npos);

    // the request that waits, and the picture
    copy.send("<presence/>");
    const auto request = copy.receive();
    EXPECT_EQ(*request.attribute("type"), "subscribe") << request.str();
    EXPECT_EQ(*request.attribute("from"), "romeo@localhost");
    EXPECT_EQ(*request.attribute("to"), "copy@localhost");
    EXPECT_EQ(request.child("status")->text, "Say yes");
    const auto own = copy.receive();
    ASSERT_NE(own.child("x"), nullptr) << own.str();
    EXPECT_EQ(own.child("x")->child("photo")->text, "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
}

/// A command that is about an account keeps it in memory until it has its answer.
TEST_F(MovingIn, finds_an_empty_house_after_a_removal_by_command) {
    play::Client juliet{"juliet", "j", "localhost"};
    connect(juliet);
    ask(juliet, "set", "<query xmlns='jabber:iq:private'><a xmlns='x:a'>old</a></query>");
    ask(juliet, "set", "<query xmlns='jabber:iq:roster'><item jid='old@localhost'/></query>");
    const auto removed = stage_->server()->give("remove", {.who = {}, .given = {{"who", {"juliet@localhost"}}}});
    ASSERT_TRUE(removed.has_value()) << removed.error().text;
    juliet.await_end();
    stage_->add_user("juliet", "secret");
    play::Client another{"juliet", "a", "localhost"};
    connect(another);
    const auto kept = ask(another, "get", "<query xmlns='jabber:iq:private'><a xmlns='x:a'/></query>");
    EXPECT_EQ(kept.find("old"), std::string::npos) << kept;
    const auto roster = ask(another, "get", "<query xmlns='jabber:iq:roster'/>");
    EXPECT_EQ(roster.find("old"), std::string::npos) << roster;
}

}   // namespace
