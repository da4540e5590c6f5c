// What is ordered when modules fail: no thread, no module.
#include "server/fault_policy.hpp"

#include <gtest/gtest.h>

namespace {

using namespace tambo;
using namespace std::chrono_literals;
using Kind = FaultPolicy::Order::Kind;

TEST(FaultWindow, trips_with_one_too_many_and_forgets_what_is_old) {
    FaultWindow window{3, 10s};
    for (const auto at : {0s, 4s, 8s}) EXPECT_FALSE(window.add(at)) << at.count();
    EXPECT_TRUE(window.add(9s));
    EXPECT_FALSE(window.add(10s)) << "the first is ten seconds ago";
    EXPECT_TRUE(window.add(13s));
    window.clear();
    EXPECT_FALSE(window.add(13s));
}

TEST(FaultWindow, of_no_size_takes_anything) {
    FaultWindow window{0, 10s};
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(window.add(0s));
}

TEST(BackOff, doubles_up_to_a_limit_and_gives_up) {
    BackOff back_off{{1s, 5s, 4, 1min}};
    EXPECT_EQ(back_off.next(1), 1s);
    EXPECT_EQ(back_off.next(1), 2s);
    EXPECT_EQ(back_off.next(1), 4s);
    EXPECT_EQ(back_off.next(1), 5s);
    EXPECT_EQ(back_off.next(1), std::nullopt);
}

TEST(BackOff, varies_between_half_and_whole) {
    for (const double luck : {0.0, 0.25, 1.0}) {
        BackOff back_off{{1s, 60s, 1, 1min}};
        EXPECT_EQ(back_off.next(luck), 500ms + std::chrono::duration_cast<Duration>(500ms * luck));
    }
}

TEST(BackOff, begins_anew_after_a_quiet_minute_at_work) {
    BackOff back_off{{1s, 60s, 2, 1min}};
    EXPECT_EQ(back_off.next(1), 1s);
    back_off.disturbed(0s);
    back_off.disturbed(59s);
    EXPECT_EQ(back_off.next(1), 2s);
    back_off.disturbed(1h);   // a minute of waiting is no quiet minute
    EXPECT_EQ(back_off.next(1), std::nullopt);
    back_off.disturbed(1h);
    back_off.disturbed(1h + 1min);
    EXPECT_EQ(back_off.next(1), 1s);
}

class FaultPolicyTest : public testing::Test {
protected:
    FaultPolicyTest() : policy_(settings(), [] { return 1.0; }) {}

    static KernelSettings settings() {
        KernelSettings settings;
        settings.faults = 2;
        settings.restarts = 2;
        return settings;
    }
    FaultPolicy::Orders fail(unsigned times, Duration now, std::uint64_t generation = 7) {
        FaultPolicy::Orders last;
        for (unsigned i = 0; i < times; ++i) last = policy_.fault("rat", generation, 0, now);
        return last;
    }
    void comes_back(Duration now) {
        const auto orders = policy_.due(now);
        ASSERT_EQ(orders.size(), 1U);
        EXPECT_EQ(orders.front().kind, Kind::rebuild);
        policy_.rebuilt("rat", 0, now);
    }

    FaultPolicy policy_;
};

TEST_F(FaultPolicyTest, withdraws_once_and_rebuilds_once) {
    EXPECT_TRUE(fail(2, 0s).empty());
    const auto orders = fail(1, 0s);
    ASSERT_EQ(orders.size(), 1U);
    EXPECT_EQ(orders.front().kind, Kind::withdraw);
    EXPECT_EQ(orders.front().generation, 7U);
    EXPECT_TRUE(fail(10, 0s).empty()) << "it is out already";
    EXPECT_EQ(policy_.next(), 1s);
    EXPECT_TRUE(policy_.due(999ms).empty());
    EXPECT_EQ(policy_.state("rat").state, "rebuilding");
    comes_back(1s);
    EXPECT_EQ(policy_.state("rat").state, "live");
    EXPECT_EQ(policy_.next(), Duration::max());
}

TEST_F(FaultPolicyTest, leaves_out_who_has_had_all_tries) {
    fail(3, 0s);
    comes_back(1s);
    fail(3, 1s);
    comes_back(3s);
    EXPECT_EQ(fail(3, 3s).size(), 1U);
    EXPECT_EQ(policy_.state("rat").state, "left out");
    EXPECT_TRUE(policy_.due(24h).empty());
}

TEST_F(FaultPolicyTest, a_rebuild_that_fails_is_a_try) {
    fail(3, 0s);
    ASSERT_EQ(policy_.due(1s).size(), 1U);
    policy_.not_rebuilt("rat", 0, "no ink", 1s);
    EXPECT_EQ(policy_.next(), 3s);
    EXPECT_EQ(policy_.due(3s).size(), 1U);
    policy_.not_rebuilt("rat", 0, "no ink", 3s);
    EXPECT_EQ(policy_.state("rat").state, "left out");
    EXPECT_NE(policy_.state("rat").note.find("no ink"), std::string::npos);
}

TEST_F(FaultPolicyTest, who_behaves_for_a_minute_has_all_tries_again) {
    fail(3, 0s);
    comes_back(1s);
    fail(3, 1s);
    comes_back(3s);
    fail(3, 63s);
    EXPECT_EQ(policy_.state("rat").state, "rebuilding");
}

TEST_F(FaultPolicyTest, each_shard_is_judged_by_itself) {
    for (unsigned shard = 0; shard < 8; ++shard)
        for (int i = 0; i < 2; ++i) EXPECT_TRUE(policy_.fault("rat", 7, shard, 0s).empty());
}

TEST_F(FaultPolicyTest, faults_on_probation_count_on_all_shards_together) {
    policy_.swapped("rat", 8, true, 0s);
    EXPECT_EQ(policy_.state("rat").state, "on probation");
    EXPECT_TRUE(policy_.fault("rat", 8, 0, 29s).empty());
    EXPECT_TRUE(policy_.fault("rat", 8, 1, 29s).empty());
    const auto orders = policy_.fault("rat", 8, 2, 29s);
    ASSERT_EQ(orders.size(), 1U);
    EXPECT_EQ(orders.front().kind, Kind::roll_back);
    EXPECT_EQ(orders.front().why, "3 faults within 30 s of the swap");
}

TEST_F(FaultPolicyTest, probation_ends_in_time) {
    policy_.swapped("rat", 8, true, 0s);
    EXPECT_TRUE(policy_.due(29s).empty());
    const auto orders = policy_.due(30s);
    ASSERT_EQ(orders.size(), 1U);
    EXPECT_EQ(orders.front().kind, Kind::end_probation);
    EXPECT_TRUE(policy_.due(30s).empty());
}

TEST_F(FaultPolicyTest, faults_of_a_version_that_has_left_do_not_count) {
    fail(2, 0s);
    policy_.swapped("rat", 8, false, 0s);
    EXPECT_TRUE(fail(10, 0s, 7).empty());
    EXPECT_TRUE(fail(2, 0s, 8).empty()) << "what the old one did is the new one's fault";
}

TEST_F(FaultPolicyTest, a_swap_brings_back_who_was_out) {
    fail(3, 0s);
    policy_.swapped("rat", 8, false, 0s);
    EXPECT_EQ(policy_.state("rat").state, "live");
    EXPECT_TRUE(policy_.due(1h).empty());
}

}   // namespace
