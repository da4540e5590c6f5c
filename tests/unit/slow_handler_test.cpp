// When a shard counts as held up: one module in one handler for too long, and once for each case.
#include "server/slow_handler.hpp"

#include <gtest/gtest.h>

namespace {

using namespace tambo;
using namespace std::chrono_literals;

class SlowHandlerTest : public testing::Test {
protected:
    std::optional<SlowHandler::Finding> look(std::uint64_t entries, const char* module, std::chrono::milliseconds at) {
        return slow_.look(entries, module, SlowHandler::Time{at});
    }
    SlowHandler slow_{2s};
};

TEST_F(SlowHandlerTest, tells_once_that_it_is_held_and_once_that_it_is_over) {
    EXPECT_FALSE(look(7, "rat", 0ms));
    EXPECT_FALSE(look(7, "rat", 1900ms));
    const auto held = look(7, "rat", 2000ms);
    ASSERT_TRUE(held);
    EXPECT_FALSE(held->is_over);
    EXPECT_STREQ(held->module, "rat");
    EXPECT_EQ(held->lasted, 2s);
    EXPECT_FALSE(look(7, "rat", 9000ms));
    const auto over = look(7, nullptr, 9100ms);
    ASSERT_TRUE(over);
    EXPECT_TRUE(over->is_over);
    EXPECT_STREQ(over->module, "rat");
    EXPECT_EQ(over->lasted, 9100ms);
    EXPECT_FALSE(look(7, nullptr, 20s));
}

TEST_F(SlowHandlerTest, many_short_handlers_are_not_a_long_one) {
    for (std::uint64_t i = 0; i < 100; ++i) EXPECT_FALSE(look(i, "rat", 100ms * i)) << i;
}

TEST_F(SlowHandlerTest, a_quiet_shard_is_not_held) {
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(look(7, nullptr, 100ms * i)) << i;
}

TEST_F(SlowHandlerTest, names_whom_the_handler_has_called) {
    EXPECT_FALSE(look(7, "rat", 0ms));
    EXPECT_STREQ(look(7, "cat", 2000ms)->module, "cat");
}

TEST_F(SlowHandlerTest, knows_nothing_of_the_time_in_which_nobody_looked) {
    EXPECT_FALSE(look(7, "rat", 0ms));
    slow_.forget();
    EXPECT_FALSE(look(7, "rat", 60s));
    EXPECT_TRUE(look(7, "rat", 62s));
    slow_.forget();
    EXPECT_TRUE(look(8, "rat", 99s)->is_over) << "what was begun is ended";
}

}   // namespace
