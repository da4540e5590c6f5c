// Two devices of different tongues, in every combination: what one says the other hears, and a session that began on
// one wire goes on over another.
#include <string>

#include <gtest/gtest.h>

#include "client.hpp"
#include "company.hpp"
#include "stage.hpp"

namespace {

using play::Tongue;

constexpr play::Wishes resumable{.priority = {}, .presence = true, .roster = true, .stream_management = true};

std::string body(const play::Node& message) {
    const auto* found = message.child("body");
    return found != nullptr ? found->text : message.str();
}

TEST(FunXmppCompany, a_session_is_resumed_over_any_other_wire_and_nothing_is_lost_or_comes_twice) {
    const auto stage = play::in_process({});
    for (const auto* user : {"romeo", "juliet"}) stage->add_user(user, "secret");
    play::Client juliet{"juliet", "j", "localhost"};
    juliet.connect(stage->connect(), {});
    for (const auto first : play::all_tongues) {
        for (const auto second : play::all_tongues) {
            SCOPED_TRACE(std::to_string(static_cast<int>(first)) + " then " + std::to_string(static_cast<int>(second)));
            play::Client romeo{"romeo", "r", "localhost"};
            romeo.connect(play::dressed(stage->connect(), first), resumable);
            romeo.send("<message to='juliet@localhost/j'><body>before</body></message>");
            EXPECT_EQ(body(juliet.receive()), "before");
            romeo.drop();
            stage->settle();
            juliet.send(
                "<message to='romeo@localhost/r' id='1'><body>one &lt; two</body></message>"
                "<message to='romeo@localhost/r' id='2' xml:lang='it'><body>two</body></message>");
            juliet.sync();
            stage->settle();
            romeo.resume(play::dressed(stage->connect(), second));
            EXPECT_EQ(body(romeo.receive()), "one < two");
            EXPECT_EQ(body(romeo.receive()), "two");
            romeo.send("<message to='juliet@localhost/j'><body>after</body></message>");
            EXPECT_EQ(body(juliet.receive()), "after");
            romeo.sync();
            EXPECT_EQ(romeo.unread(), "");
            romeo.disconnect();
        }
    }
}

TEST(FunXmppCompany, any_two_understand_each_other) {
    const auto stage = play::in_process({});
    for (const auto* user : {"romeo", "juliet"}) stage->add_user(user, "secret");
    constexpr play::Wishes silent{.priority = {}, .presence = false, .roster = false, .stream_management = false};
    const std::string said =
        "<message to='{}' id='x' xml:lang='en' type='chat'><body>caf&#xE9; &lt;3</body><html "
        "xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>"
        "a <b>b</b> c</body></html><request xmlns='urn:xmpp:receipts'/></message>";
    for (const auto mine : play::all_tongues) {
        for (const auto yours : play::all_tongues) {
            SCOPED_TRACE(std::to_string(static_cast<int>(mine)) + " and " + std::to_string(static_cast<int>(yours)));
            play::Client romeo{"romeo", "r", "localhost"};
            play::Client juliet{"juliet", "j", "localhost"};
            romeo.connect(play::dressed(stage->connect(), mine), silent);
            juliet.connect(play::dressed(stage->connect(), yours), silent);
            auto text = said;
            romeo.send(text.replace(text.find("{}"), 2, "juliet@localhost/j"));
            const auto heard = juliet.receive();
            EXPECT_EQ(body(heard), "caf\xc3\xa9 <3");
            EXPECT_EQ(*heard.attribute("from"), "romeo@localhost/r");
            EXPECT_EQ(heard.child("html")->child("body")->text, "a  c");
            EXPECT_EQ(heard.child("html")->child("body")->child("b")->text, "b");
            juliet.send("<message to='romeo@localhost/r'><received xmlns='urn:xmpp:receipts' id='x'/></message>");
            EXPECT_EQ(*romeo.receive().child("received")->attribute("id"), "x");
        }
    }
}

}   // namespace
