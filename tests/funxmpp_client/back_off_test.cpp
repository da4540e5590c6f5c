#include "back_off.hpp"

#include <gtest/gtest.h>

using std::chrono::milliseconds;
using tambo::funxmpp::BackOff;

TEST(BackOff, doubles_up_to_its_most_and_begins_again_after_success) {
    BackOff pauses{{milliseconds{100}, milliseconds{1000}, milliseconds{0}}};
    for (const int expected : {100, 200, 400, 800, 1000, 1000, 1000}) EXPECT_EQ(pauses.next(0.99).count(), expected);
    pauses.succeeded();
    EXPECT_EQ(pauses.next(0).count(), 100);
}

TEST(BackOff, adds_up_to_the_jitter_and_never_overflows) {
    BackOff pauses{{milliseconds{1000}, milliseconds{60000}, milliseconds{3000}}};
    EXPECT_EQ(pauses.next(0.5).count(), 2500);
    for (int i = 0; i < 200; ++i) {
        const auto pause = pauses.next(0.9);
        EXPECT_GE(pause.count(), 1000);
        EXPECT_LT(pause.count(), 63000);
    }
}
