#include <gtest/gtest.h>

#include "modules/last_seen/record.hpp"

namespace {

using namespace tambo;
using namespace tambo::last_seen;

Time at(std::int64_t milliseconds) { return Time{std::chrono::milliseconds{milliseconds}}; }

TEST(LastSeenRecord, comes_back_as_it_was_written) {
    for (const auto& record : {Record{at(0), ""}, Record{at(1'700'000'000'123), "Heading home"},
                               Record{at(-5), " 7 leading space"}, Record{at(1), "\xf0\x9f\x8f\xa0"}})
        EXPECT_EQ(decode(encode(record)), record) << record.status;
}

TEST(LastSeenRecord, cuts_a_long_status_between_two_characters) {
    std::string umlauts;
    while (umlauts.size() < 2 * max_status_bytes) umlauts += "\xc3\xa4";
    EXPECT_EQ(decode(encode({at(1), umlauts}))->status.size(), max_status_bytes);
    const auto shifted = decode(encode({at(1), "x" + umlauts}))->status;
    EXPECT_EQ(shifted.size(), max_status_bytes - 1) << "half a character would not be UTF-8";
    EXPECT_EQ(shifted.back(), '\xa4');
}

TEST(LastSeenRecord, does_not_read_what_it_did_not_write) {
    for (const auto* row : {"", " ", "1", "x 1", "1x status", "99999999999999999999 status"})
        EXPECT_FALSE(decode(row).has_value()) << row;
}

TEST(LastSeenCircle, is_called_the_same_in_both_directions) {
    for (const auto circle : {Circle::nobody, Circle::contacts, Circle::everyone})
        EXPECT_EQ(circle_of(name_of(circle)), circle);
    EXPECT_FALSE(circle_of("").has_value());
    EXPECT_FALSE(circle_of("Everyone").has_value());
}

}   // namespace
