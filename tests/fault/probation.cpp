// A version that fails soon after its swap goes, and the one before comes back with the state.
#include <filesystem>

#include "faults_fixture.hpp"

namespace {

using namespace fault;

class Probation : public Faults {
protected:
    void sulk() {
        for (int i = 0; i < 3; ++i) EXPECT_EQ(ask().condition, "internal-server-error");
        stage_->settle();
    }
};

TEST_F(Probation, a_version_that_fails_is_swapped_back_with_its_state) {
    raise();
    count_to(5);
    ASSERT_TRUE(swap("moody_sulks").done);
    EXPECT_EQ(state(), "on probation");
    sulk();
    const auto answer = ask();
    EXPECT_EQ(answer.version, "1");
    EXPECT_EQ(answer.count, "105") << "what it said last counts";
    EXPECT_EQ(state(), "live");
    EXPECT_TRUE(has(history(), "goes back to the version before: 3 faults within 30 s of the swap")) << history();
    EXPECT_TRUE(has(stage_->log(), "moody is back at version 1.0, the one before: 3 faults")) << stage_->log();
    everything_else_goes_on();
}

TEST_F(Probation, a_state_that_only_the_failing_version_can_read_goes_with_it) {
    raise();
    count_to(5);
    ASSERT_TRUE(swap("moody_moved_on").done);
    sulk();
    const auto answer = ask();
    EXPECT_EQ(answer.version, "1");
    EXPECT_EQ(answer.count, "5") << "what it gave to its successor";
}

TEST_F(Probation, it_ends_when_all_stays_quiet) {
    raise();
    ASSERT_TRUE(swap("moody_next").done);
    fail(2);
    stage_->pass(std::chrono::seconds{31});
    EXPECT_EQ(state(), "live");
    fail(2);
    EXPECT_EQ(ask().version, "4") << "it went back long after its swap";
    EXPECT_EQ(state(), "live");
}

TEST_F(Probation, the_version_that_came_back_is_judged_like_any_other) {
    raise();
    ASSERT_TRUE(swap("moody_sulks").done);
    sulk();
    fail(limit);
    EXPECT_EQ(ask().version, "1");
    fail(1);
    EXPECT_EQ(state(), "rebuilding");
    await_rebuild();
    EXPECT_EQ(ask().version, "1");
}

TEST_F(Probation, where_there_is_no_way_back_it_is_rebuilt) {
    raise();
    ASSERT_TRUE(swap("moody_sulks").done);
    for (const auto& entry : std::filesystem::directory_iterator{stage_->data() / "run"})
        if (entry.path().extension() == ".previous") std::filesystem::remove(entry.path());
    sulk();
    EXPECT_TRUE(has(history(), "can't go back: ")) << history();
    EXPECT_EQ(state(), "live");
    for (unsigned i = 0; i <= limit; ++i) ask();
    stage_->settle();
    EXPECT_EQ(state(), "rebuilding");
}

TEST_F(Probation, it_can_be_switched_off) {
    raise({{"kernel", "probation_faults", "0"}});
    ASSERT_TRUE(swap("moody_sulks").done);
    sulk();
    EXPECT_EQ(ask().condition, "internal-server-error");
    EXPECT_EQ(state(), "on probation");
}

}   // namespace
