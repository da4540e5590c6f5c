// XEP-0198 §4: what "h" means next to numbers that do not wrap; and what an older version kept of a stream.
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include <gtest/gtest.h>

#include "modules/stream_management/stream.hpp"

namespace {

using namespace tambo::sm;

constexpr auto most = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t modulus = std::uint64_t{most} + 1;

TEST(StreamCounts, h_goes_on_from_zero_behind_2_to_the_32) {
    EXPECT_EQ(unwrapped(most, modulus - 2), modulus - 1);
    EXPECT_EQ(unwrapped(0, modulus - 1), modulus);
    EXPECT_EQ(unwrapped(3, modulus - 2), modulus + 3);
    EXPECT_EQ(unwrapped(7, 5 * modulus + 7), 5 * modulus + 7) << "nothing new";
}

TEST(StreamCounts, h_never_goes_back) {
    EXPECT_EQ(unwrapped(4, 5), std::nullopt);
    EXPECT_EQ(unwrapped(most, modulus), std::nullopt);
    EXPECT_EQ(unwrapped(most - 1, modulus + 3), std::nullopt);
}

TEST(StreamCounts, h_is_an_unsigned_int_and_nothing_else) {
    EXPECT_EQ(number("4294967295"), most);
    for (const auto* wrong : {"", "4294967296", "-1", "+1", " 1", "1 ", "0x1", "1.0"})
        EXPECT_EQ(number(wrong), std::nullopt) << wrong;
}

TEST(StreamCounts, a_stream_of_the_version_before_goes_on) {
    struct Second {
        std::uint32_t in_before, acked, max_wait_s, detached_at_s;
        std::uint64_t unacknowledged_bytes;
        bool is_enabled, is_asking;
        char id[id_characters];
    } old{7, 3, 300, 12, 99, true, true, {}};
    std::memset(old.id, 'x', sizeof old.id);
    const std::string_view bytes{reinterpret_cast<const char*>(&old), sizeof old};
    Stream stream;
    ASSERT_TRUE(Stream::upgrade(2, bytes, stream));
    EXPECT_EQ(stream.in_before, 7U);
    EXPECT_EQ(stream.max_wait_s, 300U);
    EXPECT_TRUE(stream.is_resumable() && stream.is_asking && stream.is_told);
    EXPECT_EQ(stream.name(), "xxxxxxxxxxxxxxxxxxxxxxxx");
}

TEST(StreamCounts, what_no_version_wrote_is_not_believed) {
    Stream stream;
    EXPECT_FALSE(Stream::upgrade(2, "too short", stream));
    EXPECT_FALSE(Stream::upgrade(1, std::string_view{}, stream));
    EXPECT_FALSE(stream.is_enabled);
}

}   // namespace
