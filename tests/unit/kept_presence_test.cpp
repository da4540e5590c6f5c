// A session's last presence comes back as it was, each time that somebody looks.
#include <string>

#include <gtest/gtest.h>

#include "one_shard.hpp"
#include "route/account.hpp"

namespace {

using namespace tambo;

class KeptPresences : public testing::Test {
protected:
    OneShard house_;
    LocalAccount& account_{house_.account("romeo@localhost")};
    LocalSession& session_{account_.add_session(*account_.jid().with_resource("orchard"))};

    Stanza presence(std::string_view xml) {
        auto stanza = *Stanza::parse(xml);
        stanza.set_from(session_.jid());
        return stanza;
    }
};

TEST_F(KeptPresences, are_shown_with_all_that_they_said) {
    for (const auto* xml :
         {"<presence/>", "<presence id='p' xml:lang='it'/>",
          "<presence xmlns:x='urn:x' x:mood='pensive' id='&lt;'><show>away</show><x:y a='1'>&amp;</x:y></presence>"}) {
        const auto said = presence(xml);
        session_.set_available(said, 5);
        ASSERT_TRUE(session_.is_available());
        ASSERT_NE(session_.presence(), nullptr);
        EXPECT_EQ(session_.presence()->str(), said.str());
        EXPECT_EQ(session_.presence()->child("show", ns::client).text(), said.child("show", ns::client).text());
    }
}

TEST_F(KeptPresences, can_be_said_again_as_they_are_shown) {
    session_.set_available(presence("<presence><show>dnd</show></presence>"), 0);
    session_.set_available(*session_.presence(), 1);
    EXPECT_EQ(session_.presence()->child("show", ns::client).text(), "dnd");
    house_.work();   // the turn is over
    EXPECT_EQ(session_.presence()->child("show", ns::client).text(), "dnd");
    EXPECT_EQ(session_.priority(), 1);
}

TEST_F(KeptPresences, are_gone_when_the_session_says_goodbye) {
    session_.set_available(presence("<presence/>"), 0);
    (void)session_.presence();
    auto goodbye = presence("<presence type='unavailable'/>");
    session_.set_unavailable(goodbye);
    EXPECT_FALSE(session_.is_available());
    EXPECT_EQ(session_.presence(), nullptr);
}

TEST_F(KeptPresences, that_somebody_looked_at_are_folded_up_with_the_turn) {
    session_.set_available(presence("<presence/>"), 0);
    house_.shard().turn([&] { (void)session_.presence(); });
    EXPECT_FALSE(house_.shard().shown.empty());
    house_.work();
    EXPECT_TRUE(house_.shard().shown.empty());
}

TEST_F(KeptPresences, of_one_session_are_not_those_of_another_that_lies_in_its_place) {
    session_.set_available(presence("<presence><show>away</show></presence>"), 0);
    (void)session_.presence();
    const auto shown_before = house_.shard().shown.empty();
    house_.shard().turn([&] { house_.shard().end_session(session_); });
    house_.work();
    EXPECT_FALSE(shown_before);
    EXPECT_TRUE(house_.shard().shown.empty());
}

}   // namespace
