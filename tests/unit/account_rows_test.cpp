// What an account keeps in tables, while it is in memory.
#include "route/account_rows.hpp"

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace tambo;

std::vector<std::string> keys(const AccountRows& rows, std::string_view table) {
    std::vector<std::string> found;
    rows.each(table, [&](std::string_view key, const std::string&) { found.emplace_back(key); });
    return found;
}

TEST(AccountRows, are_what_a_map_of_maps_would_be) {
    Names names;
    AccountRows rows;
    std::map<std::pair<std::string, std::string>, std::string> model;
    std::mt19937 draw{7};   // NOLINT: the same each time
    for (int i = 0; i < 5000; ++i) {
        const auto table = "t" + std::to_string(draw() % 3),
                   key = std::string(draw() % 20, 'k') + std::to_string(draw() % 9);
        if (draw() % 3 == 0) {
            EXPECT_EQ(rows.erase(table, key), model.erase({table, key}) == 1);
        } else {
            const auto value = std::to_string(i);
            rows.put(names.keep(table), key, value);
            model[{table, key}] = value;
        }
    }
    for (const std::string table : {"t0", "t1", "t2", "t3"}) {
        std::vector<std::string> expected;
        for (const auto& [where, value] : model) {
            if (where.first != table) continue;
            expected.push_back(where.second);
            const auto* found = rows.find(table, where.second);
            ASSERT_NE(found, nullptr);
            EXPECT_EQ(*found, value);
        }
        EXPECT_EQ(keys(rows, table), expected) << table;
    }
    rows.clear();
    EXPECT_TRUE(keys(rows, "t0").empty());
}

TEST(AccountRows, leave_a_value_where_it_is_while_others_come_and_go) {
    Names names;
    AccountRows rows;
    rows.put(names.keep("roster"), "juliet", "a");
    const auto* value = rows.find("roster", "juliet");
    for (int i = 0; i < 100; ++i) rows.put(names.keep("roster"), std::to_string(i), "b");
    for (int i = 0; i < 100; ++i) rows.erase("roster", std::to_string(i));
    EXPECT_EQ(rows.find("roster", "juliet"), value);
    EXPECT_EQ(*value, "a");
}

TEST(AccountRows, are_all_seen_while_other_tables_change) {
    Names names;
    AccountRows rows;
    for (const auto* key : {"a", "b", "c"}) rows.put(names.keep("m"), key, "1");
    rows.put(names.keep("z"), "old", "1");
    std::string seen;
    rows.each("m", [&](std::string_view key, const std::string&) {
        seen += key;
        rows.put(names.keep("b"), key, "before all others");
        rows.put(names.keep("z"), key, "behind");
        rows.erase("z", "old");
    });
    EXPECT_EQ(seen, "abc");
    EXPECT_EQ(keys(rows, "b").size(), 3U);
}

}   // namespace
