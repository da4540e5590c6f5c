// Slots: what a module keeps with a session, in bytes of the kernel's.
#include <cstdint>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "one_shard.hpp"

namespace tambo {
namespace {

struct Small {
    static constexpr int version = 1;
    std::uint32_t number = 7;
    bool is_set = false;
};

struct Large {
    static constexpr int version = 1;
    std::uint64_t words[8] = {1, 2, 3, 4, 5, 6, 7, 8};
};

struct Newer {
    static constexpr int version = 2;
    std::uint64_t number = 0;
    static bool upgrade(int from, std::string_view bytes, Newer& newer) {
        if (from != 1 || bytes.size() != sizeof(Small)) return false;
        std::uint32_t old = 0;
        std::memcpy(&old, bytes.data(), sizeof old);
        newer.number = old;
        return true;
    }
};

class SlotTest : public ::testing::Test {
protected:
    OneShard house;
    LocalAccount& account = house.account("juliet@localhost");
};

TEST_F(SlotTest, holds_what_was_put_into_it) {
    const Slot<Small> small{"small"};
    const Slot<Large> large{"large"};
    EXPECT_EQ(small(account).number, 7U);
    small(account).number = 8;
    large(account).words[7] = 9;
    EXPECT_EQ(small(account).number, 8U);
    EXPECT_EQ(large(account).words[0], 1U);
    EXPECT_EQ(large(account).words[7], 9U);
}

TEST_F(SlotTest, what_is_small_takes_no_memory_of_its_own) {
    const Slot<Small> small{"small"};
    small(account).is_set = true;
    EXPECT_EQ(account.slot("small").capacity(), std::string{}.capacity());
}

TEST_F(SlotTest, a_newer_version_reads_what_the_older_held) {
    Slot<Small>{"one"}(account).number = 42;
    const Slot<Newer> newer{"one"};
    EXPECT_EQ(newer(account).number, 42U);
    newer(account).number = 43;
    EXPECT_EQ(newer(account).number, 43U);
}

TEST_F(SlotTest, what_nobody_can_read_is_begun_anew) {
    const Slot<Small> small{"one"};
    for (const auto* bytes : {"", "abc", "something that is no slot at all, and long"}) {
        account.slot("one") = bytes;
        EXPECT_EQ(small(account).number, 7U) << bytes;
    }
    Slot<Newer>{"one"}(account).number = 5;
    EXPECT_EQ(small(account).number, 7U);
}

}   // namespace
}   // namespace tambo
