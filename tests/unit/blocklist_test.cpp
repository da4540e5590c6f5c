#include "modules/blocking/blocklist.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace tambo;

TEST(Blocklist, covers_addresses_as_the_table_of_xep_0191_section_5_has_it) {
    struct Row {
        const char *entry, *who;
        bool is_covered;
    };
    for (const auto& [entry, who, is_covered] : std::vector<Row>{{"a@x.lit/r", "a@x.lit/r", true},
                                                                 {"a@x.lit/r", "a@x.lit/s", false},
                                                                 {"a@x.lit/r", "a@x.lit", false},
                                                                 {"a@x.lit", "a@x.lit/r", true},
                                                                 {"a@x.lit", "a@x.lit", true},
                                                                 {"a@x.lit", "aa@x.lit", false},
                                                                 {"a@x.lit", "x.lit", false},
                                                                 {"x.lit/r", "x.lit/r", true},
                                                                 {"x.lit/r", "x.lit", false},
                                                                 {"x.lit/r", "a@x.lit/r", false},
                                                                 {"x.lit", "x.lit", true},
                                                                 {"x.lit", "x.lit/r", true},
                                                                 {"x.lit", "a@x.lit/r", true},
                                                                 {"x.lit", "a@y.x.lit", false},
                                                                 {"x.lit", "xx.lit", false}})
        EXPECT_EQ(blocking::covers(Jid::parse(entry).value(), Jid::parse(who).value()), is_covered)
            << entry << " and " << who;
}

}   // namespace
