// What the modules agree on (modules/shared).
#include <string>

#include <gtest/gtest.h>

#include <tambo/stanza.hpp>

#include "modules/shared/message.hpp"
#include "modules/shared/priority.hpp"
#include "modules/shared/records.hpp"

namespace {

using namespace tambo;
using namespace tambo::shared;

Stanza stanza(const std::string& xml) {
    auto read = Stanza::parse(xml);
    EXPECT_TRUE(read) << xml;
    return read ? std::move(*read) : Stanza{};
}

const std::string composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";

TEST(Message, a_chat_state_may_have_company_that_says_nothing) {
    const auto is_state = [](const std::string& inner) {
        return is_chat_state(stanza("<message>" + inner + "</message>").xml());
    };
    EXPECT_TRUE(is_state(composing));
    EXPECT_TRUE(is_state("<thread>t</thread>" + composing));
    EXPECT_TRUE(is_state(composing + "<no-store xmlns='urn:xmpp:hints'/><origin-id xmlns='urn:xmpp:sid:0' id='1'/>"));
    EXPECT_TRUE(is_state(composing + "<delay xmlns='urn:xmpp:delay' stamp='2026-01-06T00:00:00Z'/>"));
    EXPECT_TRUE(is_state(composing + "<private xmlns='urn:xmpp:carbons:2'/>"));
    EXPECT_FALSE(is_state(composing + "<body>x</body>"));
    EXPECT_FALSE(is_state(composing + "<received xmlns='urn:xmpp:receipts' id='1'/>"));
    EXPECT_FALSE(is_state(composing + "<error type='cancel'/>"));
    EXPECT_FALSE(is_state(composing + "<thread xmlns='urn:example:other'/>"));
    EXPECT_FALSE(is_state("<thread>t</thread>"));
    EXPECT_FALSE(is_state(""));
}

TEST(Message, what_a_carbon_tells_is_the_message_in_it) {
    const auto wrapped = [](const std::string& name, const std::string& inside) {
        return "<message><" + name + " xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" + inside +
               "</forwarded></" + name + "></message>";
    };
    const auto state = "<message xmlns='jabber:client' id='in'>" + composing + "</message>";
    const auto carbon = stanza(wrapped("received", state));
    EXPECT_EQ(told(carbon.xml()).attribute("id"), "in");
    EXPECT_TRUE(is_chat_state(told(carbon.xml())));
    EXPECT_EQ(carbon_in(carbon.xml()).name(), "received");

    const auto other = stanza(wrapped("private", state));
    EXPECT_FALSE(carbon_in(other.xml()));
    EXPECT_EQ(told(other.xml()).index(), other.xml().index());
    const auto broken = stanza(wrapped("sent", "<presence xmlns='jabber:client'/>"));
    EXPECT_EQ(told(broken.xml()).index(), broken.xml().index()) << "nothing in it that could be told";
}

TEST(Priority, is_a_byte_or_no_priority) {
    const auto read = [](const std::string& text) {
        return read_priority(stanza("<presence><priority>" + text + "</priority></presence>").xml());
    };
    EXPECT_EQ(read_priority(stanza("<presence/>").xml()), 0);
    EXPECT_EQ(read("5"), 5);
    EXPECT_EQ(read(" \n+7 "), 7);
    EXPECT_EQ(read("-128"), -128);
    for (const auto* wrong : {"128", "-129", "", "+-1", "high", "1.5"}) EXPECT_FALSE(read(wrong)) << wrong;
}

TEST(Priority, only_a_broadcast_that_is_not_negative_asks_for_messages) {
    EXPECT_TRUE(wants_messages(stanza("<presence/>")));
    EXPECT_TRUE(wants_messages(stanza("<presence><priority> 0 </priority></presence>")));
    EXPECT_FALSE(wants_messages(stanza("<presence><priority> -1 </priority></presence>")));
    EXPECT_FALSE(wants_messages(stanza("<presence><priority>high</priority></presence>")));
    EXPECT_FALSE(wants_messages(stanza("<presence to='romeo@localhost'/>")));
    EXPECT_FALSE(wants_messages(stanza("<presence type='unavailable'/>")));
    EXPECT_FALSE(wants_messages(stanza("<message/>")));
}

std::string listed(const Records& records) {
    std::string all;
    records.each([&](const Records::Record& r) {
        all += std::to_string(r.time_ms) + std::string{r.key} + '=' + std::string{r.value} + ' ';
    });
    return all;
}

TEST(Records, keeps_order_and_takes_out_what_is_meant) {
    std::string bytes;
    Records records{bytes};
    EXPECT_TRUE(records.empty());
    records.push({1, "a", "one"});
    records.push({2, "b", {}});
    records.push({3, "a", std::string_view{"\0\n", 2}});
    records.push({4, {}, "four"});
    EXPECT_EQ(records.count(), 4U);
    records.erase("a");
    EXPECT_EQ(listed(records), "2b= 4=four ");
    records.push({5, "a", "five"});
    EXPECT_EQ(listed(Records{bytes}), "2b= 4=four 5a=five ") << "all of it is in the bytes";
    records.erase_if([](const Records::Record& r) { return r.time_ms > 2; });
    EXPECT_EQ(listed(records), "2b= ");
    records.erase("b");
    EXPECT_TRUE(records.empty());
}

}   // namespace
