// A module that fails too often is taken out, comes back, and is left out in the end; nobody else is in trouble.
#include "faults_fixture.hpp"

namespace {

using namespace fault;

class Rebuilt : public Faults {};

TEST_F(Rebuilt, a_few_faults_cost_their_stanzas_and_nothing_else) {
    raise();
    fail(limit);
    EXPECT_EQ(ask().type, "result");
    EXPECT_EQ(state(), "live");
    EXPECT_EQ(info().faults, limit);
}

TEST_F(Rebuilt, who_fails_too_often_is_taken_out_while_the_others_chat_on) {
    raise();
    fail(limit + 1);
    EXPECT_EQ(ask().condition, "service-unavailable");
    EXPECT_FALSE(discovers(juliet_)) << "its features stay";
    EXPECT_EQ(state(), "rebuilding");
    EXPECT_TRUE(has(info().note, "more than 10 faults within 10 s on shard 0; try 1 of 5 in ")) << info().note;
    everything_else_goes_on();
}

TEST_F(Rebuilt, it_comes_back_after_a_while) {
    raise();
    fail(limit + 1);
    stage_->pass(std::chrono::milliseconds{400});
    EXPECT_EQ(ask().condition, "service-unavailable") << "too soon";
    stage_->pass(std::chrono::milliseconds{700});
    EXPECT_EQ(ask().type, "result");
    EXPECT_TRUE(discovers(juliet_));
    EXPECT_EQ(state(), "live");
    EXPECT_EQ(info().note, "");
    EXPECT_EQ(info().faults, limit + 1) << "faults are the version's, not the instance's";
    EXPECT_TRUE(has(history(), "taken out: ")) << history();
    EXPECT_TRUE(has(history(), "rebuilt on shard 0")) << history();
    everything_else_goes_on();
}

TEST_F(Rebuilt, it_has_the_state_of_when_it_was_last_well) {
    raise();
    count_to(3);
    stage_->pass(std::chrono::seconds{11});   // it is remembered
    count_to(2);
    fail(limit + 1);
    await_rebuild();
    EXPECT_EQ(ask(romeo_, "count").count, "4");
}

TEST_F(Rebuilt, what_it_says_after_a_fault_is_not_yet_trusted) {
    raise();
    count_to(3);
    stage_->pass(std::chrono::seconds{11});
    fail(1);
    count_to(2);
    stage_->pass(std::chrono::seconds{10});   // not remembered: it failed since the last time
    fail(limit + 1);
    await_rebuild();
    EXPECT_EQ(ask(romeo_, "count").count, "4");
}

TEST_F(Rebuilt, who_can_not_be_helped_is_left_out_until_an_operator_brings_it_back) {
    raise({{"kernel", "restarts", "2"}});
    for (int times = 0; times < 3; ++times) {
        fail(limit + 1);
        await_rebuild();
    }
    EXPECT_EQ(state(), "left out");
    EXPECT_TRUE(has(info().note, "was rebuilt 2 times on shard 0")) << info().note;
    stage_->pass(std::chrono::hours{1});
    EXPECT_EQ(ask().condition, "service-unavailable");
    EXPECT_FALSE(discovers(juliet_)) << "its features stay";
    everything_else_goes_on();

    ASSERT_TRUE(server().reload("moody").done);
    EXPECT_EQ(ask().type, "result");
    EXPECT_TRUE(discovers(juliet_));
    stage_->pass(std::chrono::minutes{1});
    fail(limit);
    EXPECT_EQ(ask().type, "result") << "the slate is not clean";
    fail(1);
    EXPECT_EQ(state(), "rebuilding") << "the slate is not clean";
}

TEST_F(Rebuilt, who_was_left_out_can_be_unloaded_and_loaded) {
    raise({{"kernel", "restarts", "0"}});
    fail(limit + 1);
    EXPECT_EQ(state(), "left out");
    ASSERT_TRUE(server().unload("moody").done);
    ASSERT_TRUE(server().load("moody").done);
    EXPECT_EQ(ask().type, "result");
    EXPECT_EQ(state(), "live");
}

TEST_F(Rebuilt, only_the_shard_on_which_it_fails_does_without_it) {
    raise({}, 2);
    std::vector<play::Client*> here, there;
    std::vector<std::unique_ptr<play::Client>> crowd;
    for (int i = 0; here.empty() || there.empty(); ++i) {   // who lives where is drawn anew in each process
        auto& who = *crowd.emplace_back(std::make_unique<play::Client>("user" + std::to_string(i), "r", "localhost"));
        enter(who);
        (ask(who).shard == "0" ? here : there).push_back(&who);
    }
    fail(limit + 1, *here.front());
    EXPECT_EQ(ask(*here.front()).condition, "service-unavailable");
    EXPECT_EQ(ask(*there.front()).type, "result");
    await_rebuild();
    EXPECT_EQ(ask(*here.front()).type, "result");
}

}   // namespace
