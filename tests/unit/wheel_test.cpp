#include "shard/wheel.hpp"

#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace tambo {
namespace {

using namespace std::chrono_literals;

TEST(Wheel, runs_a_job_when_it_is_due_and_not_before) {
    Wheel wheel;
    int ran = 0;
    wheel.add(1234ms, [&] { ++ran; });
    EXPECT_EQ(wheel.advance(1233ms), 0U);
    EXPECT_EQ(ran, 0);
    EXPECT_EQ(wheel.advance(1234ms), 1U);
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(wheel.advance(9999ms), 0U);
    EXPECT_EQ(wheel.size(), 0U);
}

TEST(Wheel, runs_in_the_order_of_deadlines_and_equal_ones_as_added) {
    Wheel wheel;
    std::vector<int> order;
    wheel.add(19ms, [&] { order.push_back(3); });
    wheel.add(11ms, [&] { order.push_back(1); });
    wheel.add(70h, [&] { order.push_back(5); });
    wheel.add(11ms, [&] { order.push_back(2); });
    wheel.add(4s, [&] { order.push_back(4); });
    wheel.advance(100h);
    EXPECT_EQ(order, (std::vector{1, 2, 3, 4, 5}));
}

TEST(Wheel, a_deadline_gone_by_is_due_at_once) {
    Wheel wheel;
    wheel.advance(1h);
    bool ran = false;
    wheel.add(3s, [&] { ran = true; });
    EXPECT_LE(wheel.next(), Duration{1h} + Wheel::tick);
    wheel.advance(1h);
    EXPECT_TRUE(ran);
}

TEST(Wheel, a_cancelled_job_never_runs_and_lets_go_of_what_it_holds) {
    Wheel wheel;
    auto held = std::make_shared<int>(0);
    const auto id = wheel.add(5s, [held] { ++*held; });
    EXPECT_EQ(held.use_count(), 2);
    wheel.cancel(id);
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_EQ(wheel.advance(10s), 0U);
    EXPECT_EQ(*held, 0);
}

TEST(Wheel, the_id_of_a_job_that_ran_does_not_cancel_its_successor) {
    Wheel wheel;
    const auto first = wheel.add(1s, [] {});
    wheel.advance(2s);
    bool ran = false;
    const auto second = wheel.add(3s, [&] { ran = true; });
    EXPECT_NE(first, second);
    wheel.cancel(first);
    wheel.cancel(0);
    wheel.cancel(~Wheel::Id{0});
    wheel.advance(3s);
    EXPECT_TRUE(ran);
}

TEST(Wheel, a_job_may_cancel_another_that_is_due_in_the_same_turn) {
    Wheel wheel;
    bool ran = false;
    Wheel::Id second = 0;
    wheel.add(1s, [&] { wheel.cancel(second); });
    second = wheel.add(1s, [&] { ran = true; });
    EXPECT_EQ(wheel.advance(2s), 1U);
    EXPECT_FALSE(ran);
    EXPECT_EQ(wheel.size(), 0U);
}

TEST(Wheel, what_a_job_adds_waits_for_the_next_turn_even_if_it_is_due) {
    Wheel wheel;
    int rounds = 0;
    std::function<void()> again = [&] {
        ++rounds;
        wheel.add(0s, again);
    };
    wheel.add(1s, again);
    wheel.advance(24h);
    EXPECT_EQ(rounds, 1);
    wheel.advance(24h);
    EXPECT_EQ(rounds, 2);
}

TEST(Wheel, a_job_may_add_many_others_while_it_runs) {
    Wheel wheel;
    int ran = 0;
    wheel.add(1s, [&] {
        for (int i = 0; i < 1000; ++i) wheel.add(2s + std::chrono::milliseconds(i), [&] { ++ran; });
    });
    wheel.advance(1s);
    wheel.advance(1h);
    EXPECT_EQ(ran, 1000);
}

TEST(Wheel, a_closure_that_cancels_while_it_dies_finds_the_wheel_in_order) {
    struct Cancels {
        Wheel* wheel;
        Wheel::Id other;
        ~Cancels() { wheel->cancel(other); }
    };
    Wheel wheel;
    bool ran = false;
    const auto other = wheel.add(2s, [&] { ran = true; });
    const auto id = wheel.add(1s, [held = std::make_shared<Cancels>(&wheel, other)] {});
    wheel.cancel(id);
    EXPECT_EQ(wheel.size(), 0U);
    wheel.advance(1h);
    EXPECT_FALSE(ran);
}

TEST(Wheel, next_is_never_later_than_a_tick_after_the_earliest_deadline) {
    Wheel wheel;
    EXPECT_EQ(wheel.next(), Duration::max());
    wheel.add(Duration::max(), [] {});
    wheel.add(10h, [] {});
    EXPECT_LE(wheel.next(), 10h);
    wheel.add(25ms, [] {});
    EXPECT_EQ(wheel.next(), 30ms);
    wheel.advance(wheel.next());
    EXPECT_GT(wheel.next(), 30ms);
}

TEST(Wheel, following_next_reaches_a_far_deadline_in_a_few_steps) {
    Wheel wheel;
    bool ran = false;
    wheel.advance(123456789ms);
    wheel.add(123456789ms + 1000h, [&] { ran = true; });
    int steps = 0;
    while (!ran && steps < 20) {
        ASSERT_NE(wheel.next(), Duration::max());
        wheel.advance(wheel.next());
        ++steps;
    }
    EXPECT_TRUE(ran);
    EXPECT_LE(steps, 12);
}

TEST(Wheel, deadlines_at_the_edges_of_time_are_kept) {
    Wheel wheel;
    int ran = 0;
    wheel.add(Duration::min(), [&] { ++ran; });
    wheel.add(Duration::max(), [&] { ++ran; });
    wheel.advance(0ms);
    EXPECT_EQ(ran, 1);
    wheel.advance(Duration::max());
    EXPECT_EQ(ran, 2);
}

/// A multimap does the same, only slower.
class Model {
public:
    void add(Duration at, int job) { jobs_.emplace(at, job); }
    bool cancel(int job) {
        return std::erase_if(jobs_, [job](const auto& entry) { return entry.second == job; }) == 1;
    }
    std::vector<int> advance(Duration now) {
        std::vector<int> ran;
        const auto end = jobs_.upper_bound(now);
        for (auto it = jobs_.begin(); it != end; ++it) ran.push_back(it->second);
        jobs_.erase(jobs_.begin(), end);
        return ran;
    }
    Duration next() const { return jobs_.empty() ? Duration::max() : jobs_.begin()->first; }
    std::size_t size() const { return jobs_.size(); }

private:
    std::multimap<Duration, int> jobs_;
};

class RandomWheel : public testing::TestWithParam<unsigned> {};

TEST_P(RandomWheel, does_what_a_sorted_multimap_does) {
    std::mt19937 random{GetParam()};
    const auto below = [&](unsigned n) { return random() % n; };
    Wheel wheel;
    Model model;
    std::vector<Wheel::Id> ids;
    std::vector<int> ran;
    Duration now{below(1U << 30)};
    wheel.advance(now);
    for (int step = 0; step < 20000; ++step) {
        switch (below(8)) {
            case 0:
            case 1:
            case 2:
            case 3: {
                const Duration at = now + Duration{below(1U << below(31))} - Duration{below(50)};
                const int job = static_cast<int>(ids.size());
                ids.push_back(wheel.add(at, [&ran, job] { ran.push_back(job); }));
                model.add(at, job);
                break;
            }
            case 4:
            case 5:
                if (!ids.empty()) {
                    const auto job = below(static_cast<unsigned>(ids.size()));
                    wheel.cancel(ids[job]);   // often one that ran long ago
                    model.cancel(static_cast<int>(job));
                }
                break;
            default:
                now += Duration{below(1U << below(22))};
                ran.clear();
                wheel.advance(now);
                ASSERT_EQ(ran, model.advance(now)) << "step " << step;
        }
        ASSERT_EQ(wheel.size(), model.size()) << "step " << step;
        if (model.size() > 0) {
            ASSERT_LE(wheel.next(), std::max(model.next(), now) + Wheel::tick) << "step " << step;
        } else {
            ASSERT_EQ(wheel.next(), Duration::max());
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomWheel, testing::Range(1U, 9U));

}   // namespace
}   // namespace tambo
