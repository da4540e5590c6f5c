// XEP-0012: each user chooses who may see when she was last here, and the choice holds across sessions and swaps.
#include <string>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace {

class LastSeenChoice : public testing::Test {
protected:
    LastSeenChoice() : LastSeenChoice({}) {}
    explicit LastSeenChoice(const std::vector<play::Setting>& settings) {
        play::Cast cast;
        cast.settings = settings;
        stage_ = play::in_process(cast);
        for (const auto* user : {"juliet", "romeo"}) stage_->add_user(user, "secret");
        romeo_.connect(stage_->connect(), {});
        romeo_.disconnect();
        juliet_.connect(stage_->connect(), {});
    }

    tambo::Result<tambo::CommandResult> choose(const std::string& user, const std::string& circle) {
        return stage_->server()->give("last-seen", {.who = tambo::Jid::parse(user + "@localhost/x").value(),
                                                    .given = {{"visible_to", {circle}}}});
    }

    /// "result", or the condition of the error.
    std::string asked_by_a_stranger() {
        juliet_.send("<iq type='get' id='q' to='romeo@localhost'><query xmlns='jabber:iq:last'/></iq>");
        const auto answer = juliet_.receive();
        const auto* error = answer.child("error");
        return error == nullptr ? *answer.attribute("type") : error->children.front().name;
    }

    std::unique_ptr<play::Stage> stage_;
    play::Client juliet_{"juliet", "j", "localhost"}, romeo_{"romeo", "r", "localhost"};
};

TEST_F(LastSeenChoice, opens_and_closes_it) {
    EXPECT_EQ(asked_by_a_stranger(), "forbidden") << "contacts only, as the ini has it";
    ASSERT_TRUE(choose("romeo", "everyone").has_value());
    EXPECT_EQ(asked_by_a_stranger(), "result");
    ASSERT_TRUE(stage_->server()->reload("last_seen").done);
    EXPECT_EQ(asked_by_a_stranger(), "result");
    ASSERT_TRUE(choose("romeo", "nobody").has_value());
    EXPECT_EQ(asked_by_a_stranger(), "forbidden");
    EXPECT_FALSE(choose("romeo", "friends").has_value()) << "no such circle";
    EXPECT_EQ(asked_by_a_stranger(), "forbidden");
}

class ReciprocalLastSeen : public LastSeenChoice {
protected:
    ReciprocalLastSeen() : LastSeenChoice({{"module last_seen", "reciprocal", "yes"}}) {}
};

TEST_F(ReciprocalLastSeen, is_kept_from_those_who_hide_theirs) {
    ASSERT_TRUE(choose("romeo", "everyone").has_value());
    EXPECT_EQ(asked_by_a_stranger(), "forbidden") << "juliet shows hers to contacts, and romeo is none";
    ASSERT_TRUE(choose("juliet", "everyone").has_value());
    EXPECT_EQ(asked_by_a_stranger(), "result");
    ASSERT_TRUE(choose("juliet", "nobody").has_value());
    EXPECT_EQ(asked_by_a_stranger(), "forbidden");
}

TEST_F(ReciprocalLastSeen, is_left_out_of_the_presence_that_comes_at_login) {
    for (auto* client : {&juliet_, &romeo_}) client->ignore("roster pushes");
    for (auto* client : {&juliet_, &romeo_}) client->ignore("presence");
    romeo_.connect(stage_->connect(), {});
    juliet_.send("<presence type='subscribe' to='romeo@localhost'/>");
    juliet_.sync();
    romeo_.send("<presence type='subscribed' to='juliet@localhost'/>");
    romeo_.sync();
    romeo_.disconnect();
    stage_->settle();
    const auto comes_with_delay = [this](const std::string& resource) {
        play::Client another{"juliet", resource, "localhost"};
        another.connect(stage_->connect(), {});
        stage_->settle();   // her question goes to his shard, the answer comes from there
        another.sync();
        for (auto next = another.poll_inbox(); next; next = another.poll_inbox())
            if (*next->attribute("from") == "romeo@localhost") return next->child("delay") != nullptr;
        ADD_FAILURE() << "nothing from romeo";
        return false;
    };
    EXPECT_FALSE(comes_with_delay("a")) << "romeo does not see juliet";
    ASSERT_TRUE(choose("juliet", "everyone").has_value());
    EXPECT_TRUE(comes_with_delay("b"));
    ASSERT_TRUE(choose("juliet", "nobody").has_value());
    EXPECT_FALSE(comes_with_delay("c"));
}

}   // namespace
