// Password checks when everybody logs in at once: a few at a time, the oldest first, bounded.
#include "modules/sasl/hashing.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace tambo;
using sasl::Hashing;

class HashingTest : public testing::Test {
protected:
    /// Somebody who wants a password checked; "+name" when told to go on, "-name" when turned away.
    struct Login {
        Login(HashingTest& test, std::string name, int due_ms) : turn(test.hashing, Duration{due_ms}) {
            auto begun = turn.begun();
            answer = begun.state();
            who = std::move(name);
        }
        Hashing::Turn turn;
        std::shared_ptr<Later<bool>::State> answer;
        std::string who;
        std::string said() const { return !answer->value ? "" : (*answer->value ? "+" : "-") + who; }
    };

    std::unique_ptr<Login> come(const std::string& name, int due_ms) {
        auto login = std::make_unique<Login>(*this, name, due_ms);
        work();
        return login;
    }
    void leave(std::unique_ptr<Login>& login) {
        login.reset();
        work();
    }
    void work() {
        while (!jobs.empty()) {
            const auto job = std::move(jobs.front());
            jobs.pop_front();
            job();
        }
    }

    std::deque<std::function<void()>> jobs;
    Hashing hashing{{.at_once = 2, .waiting = 2},
                    [this](std::function<void()> job) { jobs.push_back(std::move(job)); },
                    [this](std::size_t waiting) { counted = waiting; }};
    std::size_t counted = 0;
};

TEST_F(HashingTest, goes_on_with_the_oldest_when_one_is_done) {
    auto a = come("a", 1), b = come("b", 2), c = come("c", 4), d = come("d", 3);
    EXPECT_EQ(a->said() + b->said() + c->said() + d->said(), "+a+b");
    EXPECT_EQ(hashing.waiting(), 2U);
    leave(a);
    EXPECT_EQ(c->said() + d->said(), "+d") << "it came back to something, so it counts as older";
    leave(b);
    EXPECT_EQ(c->said(), "+c");
}

TEST_F(HashingTest, turns_away_who_would_go_last) {
    auto a = come("a", 1), b = come("b", 2), c = come("c", 3), d = come("d", 4);
    auto newest = come("e", 5);
    EXPECT_EQ(newest->said(), "-e");
    auto with_a_head_start = come("f", 0);
    EXPECT_EQ(with_a_head_start->said(), "");
    EXPECT_EQ(d->said(), "-d");
    EXPECT_EQ(hashing.waiting(), 2U);
    leave(newest);
    leave(d);
    EXPECT_EQ(hashing.running(), 2U) << "who was turned away takes nothing along";
    leave(a);
    EXPECT_EQ(with_a_head_start->said(), "+f");
}

TEST_F(HashingTest, costs_nothing_for_who_went_away) {
    auto a = come("a", 1), b = come("b", 2), c = come("c", 3), d = come("d", 4);
    leave(c);
    EXPECT_EQ(hashing.waiting(), 1U);
    EXPECT_EQ(counted, 1U);
    leave(a);
    EXPECT_EQ(d->said(), "+d");
    leave(b);
    leave(d);
    EXPECT_EQ(hashing.running(), 0U);
}

}   // namespace
