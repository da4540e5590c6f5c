// What every store driver promises, asked of each of them.
#include <algorithm>
#include <filesystem>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "plugins/store_memory/driver.hpp"
#include "plugins/store_sqlite/driver.hpp"
#include "store_files.hpp"

namespace {

using namespace tambo;
using namespace std::string_literals;
using namespace store_files;

using Sequences = std::vector<std::uint64_t>;
constexpr auto most = std::numeric_limits<std::uint64_t>::max();

using Make = std::unique_ptr<StoreDriver> (*)(const std::filesystem::path&);

class EveryDriver : public testing::TestWithParam<Make> {
protected:
    Folder folder;
    std::unique_ptr<StoreDriver> driver = GetParam()(folder.path / "tambo.db");
    StoreDriver& d = *driver;

    void expect_state(std::string_view owner, const JournalState& expected) {
        const auto state = d.journal_state(owner);
        EXPECT_EQ(state.count, expected.count) << owner;
        EXPECT_EQ(state.bytes, expected.bytes) << owner;
        EXPECT_EQ(state.last_sequence, expected.last_sequence) << owner;
    }
    static void expect_same(const KeptSession& session, const KeptSession& expected) {
        EXPECT_EQ(session.device, expected.device);
        EXPECT_EQ(session.resource, expected.resource);
        EXPECT_EQ(session.accepted, expected.accepted);
        EXPECT_EQ(session.acknowledged, expected.acknowledged);
        EXPECT_EQ(session.state, expected.state);
    }
};
INSTANTIATE_TEST_SUITE_P(Drivers, EveryDriver,
                         testing::Values(Make{[](const std::filesystem::path& file) {
                                             return sqlite::open({.file = file});
                                         }},
                                         Make{[](const std::filesystem::path&) { return memory::open(); }}),
                         [](const auto& which) { return which.index == 0 ? "sqlite"s : "memory"s; });

TEST_P(EveryDriver, gives_back_what_was_put_whatever_the_bytes) {
    const auto odd = "a\0b\xff\n'; DROP TABLE items; --"s;
    in_transaction(d, [&] {
        for (const auto space : {Space::resident, Space::items}) {
            EXPECT_FALSE(d.get(space, "t", juliet, "k"));
            d.put(space, "t", juliet, "k", odd);
            d.put(space, "t", juliet, odd, "ключ ☃");
            d.put(space, "t", juliet, "empty", {});
            d.put(space, "t", juliet, {}, "no key");
            d.put(space, "t", {}, "server", "no owner");
            d.put(space, "t", juliet, "k\0"s, "longer");
        }
    });
    in_transaction(d, [&] {
        for (const auto space : {Space::resident, Space::items}) {
            EXPECT_EQ(d.get(space, "t", juliet, "k"), odd);
            EXPECT_EQ(d.get(space, "t", juliet, odd), "ключ ☃");
            EXPECT_EQ(d.get(space, "t", juliet, "empty"), "");
            EXPECT_EQ(d.get(space, "t", juliet, ""), "no key");
            EXPECT_EQ(d.get(space, "t", "", "server"), "no owner");
            EXPECT_EQ(d.get(space, "t", juliet, "k\0"s), "longer");
            EXPECT_FALSE(d.get(space, "t", romeo, "k"));
            EXPECT_FALSE(d.get(space, "u", juliet, "k"));
            d.put(space, "t", juliet, "k", "new");
            EXPECT_EQ(d.get(space, "t", juliet, "k"), "new");
            d.erase(space, "t", juliet, "k");
            d.erase(space, "t", juliet, "never there");
            EXPECT_FALSE(d.get(space, "t", juliet, "k"));
        }
    });
}

TEST_P(EveryDriver, lists_in_key_order_and_loads_all_resident_rows) {
    in_transaction(d, [&] {
        for (const auto* key : {"b", "a", "c"}) d.put(Space::resident, "roster", juliet, key, "v");
        d.put(Space::resident, "block", juliet, "x", "y");
        d.put(Space::resident, "roster", romeo, "z", "other");
        d.put(Space::items, "vcard", juliet, "", "not resident");
    });
    in_transaction(d, [&] {
        EXPECT_EQ(d.list(Space::resident, "roster", juliet), (Rows{{"a", "v"}, {"b", "v"}, {"c", "v"}}));
        EXPECT_TRUE(d.list(Space::items, "roster", juliet).empty());
        const auto rows = d.load(juliet);
        ASSERT_EQ(rows.size(), 4U);
        EXPECT_EQ(rows[0].table, "block");
        EXPECT_EQ(rows[0].key, "x");
        EXPECT_EQ(rows[3].table, "roster");
        EXPECT_EQ(rows[3].key, "c");
        EXPECT_TRUE(d.load("nobody@nowhere.lit").empty());
    });
}

TEST_P(EveryDriver, pages_through_owners) {
    in_transaction(d, [&] {
        for (const auto space : {Space::resident, Space::items})
            for (const auto* owner : {"c@x", "a@x", "b@x"}) {
                d.put(space, "t", owner, "1", "");
                d.put(space, "t", owner, "2", "");
                d.put(space, "other", "d@x", "1", "");
            }
    });
    in_transaction(d, [&] {
        using Owners = std::vector<std::string>;
        for (const auto space : {Space::resident, Space::items}) {
            EXPECT_EQ(d.owners(space, "t", "", 2), (Owners{"a@x", "b@x"}));
            EXPECT_EQ(d.owners(space, "t", "b@x", 2), (Owners{"c@x"}));
            EXPECT_EQ(d.owners(space, "t", "c@x", 2), Owners{});
            EXPECT_EQ(d.owners(space, "t", "", std::numeric_limits<std::size_t>::max()).size(), 3U);
        }
    });
}

TEST_P(EveryDriver, keeps_a_journal_for_each_owner) {
    in_transaction(d, [&] {
        d.journal_append(juliet, entry(1, "<message>1</message>"));
        d.journal_append(romeo, entry(7, "<message/>"));
        d.journal_append(juliet, entry(2, "\0\xff"s));
        d.journal_append(juliet, entry(5, ""));
    });
    in_transaction(d, [&] {
        const auto all = d.journal_read(juliet, 0, 100);
        ASSERT_EQ(sequences(all), (Sequences{1, 2, 5}));
        EXPECT_EQ(all[0].time, entry(1).time);
        EXPECT_EQ(all[0].id, "id-1");
        EXPECT_EQ(all[0].stanza, "<message>1</message>");
        EXPECT_EQ(all[0].origin, 0U);
        EXPECT_TRUE(all[0].holders.empty());
        EXPECT_EQ(all[1].stanza, "\0\xff"s);
        EXPECT_EQ(sequences(d.journal_read(juliet, 1, 1)), Sequences{2});
        EXPECT_EQ(sequences(d.journal_read(juliet, 2, 10)), Sequences{5});
        EXPECT_TRUE(d.journal_read(juliet, 5, 10).empty());
        EXPECT_TRUE(d.journal_read(juliet, most, 10).empty());
        expect_state(juliet, {3, 22, 5});
        expect_state(romeo, {1, 10, 7});
        expect_state("nobody@nowhere.lit", {});
    });
}

TEST_P(EveryDriver, says_who_has_something_in_a_journal) {
    using Owners = std::vector<std::string>;
    in_transaction(d, [&] {
        for (const auto& owner : {"aa@x", "bb@x", "cc@x", "dd@x"}) d.journal_append(owner, entry(1));
        d.journal_append("bb@x", entry(2));
        d.journal_erase("cc@x", Sequences{1});
        d.put(Space::items, "credentials", "ee@x", "", "x");
    });
    in_transaction(d, [&] {
        EXPECT_EQ(d.owners(Space::items, "journal", "", 10), (Owners{"aa@x", "bb@x", "dd@x"}));
        EXPECT_EQ(d.owners(Space::items, "journal", "", 2), (Owners{"aa@x", "bb@x"}));
        EXPECT_EQ(d.owners(Space::items, "journal", "bb@x", 10), Owners{"dd@x"});
        EXPECT_TRUE(d.owners(Space::items, "journal", "dd@x", 10).empty());
    });
}

TEST_P(EveryDriver, erases_the_entries_that_are_named_and_no_others) {
    in_transaction(d, [&] {
        for (std::uint64_t n = 1; n <= 6; ++n) d.journal_append(juliet, entry(n, std::string(n, 'x')));
        d.journal_append(romeo, entry(3));
        d.journal_erase(juliet, Sequences{5, 1, 3, 3, 77, 0, most});
    });
    in_transaction(d, [&] {
        EXPECT_EQ(sequences(d.journal_read(juliet, 0, 10)), (Sequences{2, 4, 6}));
        expect_state(juliet, {3, 12, 6});
        expect_state(romeo, {1, 1, 3});
        d.journal_erase("nobody@nowhere.lit", Sequences{5});
        d.journal_erase(juliet, {});
        expect_state(juliet, {3, 12, 6});
    });
}

TEST_P(EveryDriver, knows_the_last_sequence_even_when_all_entries_are_gone) {
    in_transaction(d, [&] {
        for (std::uint64_t n = 1; n <= 5; ++n) d.journal_append(juliet, entry(n));
        d.journal_erase(juliet, Sequences{1, 2, 3, 4, 5});
    });
    in_transaction(d, [&] {
        expect_state(juliet, {0, 0, 5});
        d.journal_append(juliet, entry(6));
        expect_state(juliet, {1, 1, 6});
    });
}

TEST_P(EveryDriver, remembers_who_holds_an_entry) {
    in_transaction(d, [&] {
        d.journal_append(juliet, entry(1));
        d.journal_append(juliet, entry(2, "held", {{most, 3}, {1, 0}}));
        d.journal_append(juliet, entry(3, "held later"));
        d.journal_append(romeo, entry(4, "his", {{9, 9}}));
        d.journal_hold(juliet, 3, std::vector<Holder>{{5, most}});
        d.journal_hold(juliet, 77, std::vector<Holder>{{5, 1}});
        d.journal_hold("nobody@nowhere.lit", 1, std::vector<Holder>{{5, 1}});
    });
    in_transaction(d, [&] {
        const auto held = d.journal_held(juliet);
        ASSERT_EQ(sequences(held), (Sequences{2, 3}));
        EXPECT_EQ(held[0].stanza, "held");
        EXPECT_EQ(held[0].holders, (std::vector<Holder>{{most, 3}, {1, 0}}));
        EXPECT_EQ(held[1].holders, (std::vector<Holder>{{5, most}}));
        EXPECT_EQ(d.journal_read(juliet, 1, 1).at(0).holders, held[0].holders) << "read says it too";
        EXPECT_TRUE(d.journal_held("nobody@nowhere.lit").empty());
        d.journal_hold(juliet, 2, {});
        d.journal_erase(juliet, Sequences{3});
    });
    in_transaction(d, [&] {
        EXPECT_TRUE(d.journal_held(juliet).empty());
        EXPECT_EQ(sequences(d.journal_held(romeo)), Sequences{4});
        expect_state(juliet, {2, 5, 3});
    });
}

TEST_P(EveryDriver, finds_what_a_device_sent_in_anybodys_journal) {
    const auto sent = [](std::uint64_t sequence, std::uint64_t device, std::uint64_t number) {
        auto made = entry(sequence);
        made.origin = device;
        made.origin_number = number;
        return made;
    };
    in_transaction(d, [&] {
        d.journal_append(juliet, sent(1, most, 3));
        d.journal_append(juliet, sent(2, 1, 2));
        d.journal_append(juliet, entry(3));
        d.journal_append(romeo, sent(1, most, 1));
        d.journal_append(romeo, sent(2, most, 2));
    });
    in_transaction(d, [&] {
        std::vector<std::uint64_t> numbers;
        for (const auto& found : d.journal_sent(most, 0)) {
            EXPECT_EQ(found.origin, most);
            EXPECT_EQ(found.id, found.origin_number == 2 ? "id-2" : "id-1");
            numbers.push_back(found.origin_number);
        }
        EXPECT_EQ(numbers, (Sequences{1, 2, 3}));
        EXPECT_EQ(sequences(d.journal_sent(most, 2)), Sequences{1});
        EXPECT_EQ(sequences(d.journal_sent(1, 0)), Sequences{2});
        EXPECT_TRUE(d.journal_sent(most, most).empty());
        EXPECT_TRUE(d.journal_sent(12, 0).empty());
    });
}

TEST_P(EveryDriver, keeps_sessions_by_their_device) {
    const KeptSession balcony{.device = most, .resource = "balcony", .accepted = 1, .acknowledged = most, .state = {}},
        tomb{.device = 5, .resource = "Gruft ☃", .accepted = 0, .acknowledged = 0, .state = "\0\xff"s};
    in_transaction(d, [&] {
        d.session_put(juliet, balcony);
        d.session_put(juliet, tomb);
        d.session_put("aa@x", {.device = 8, .resource = "r", .accepted = 1, .acknowledged = 1, .state = "s"});
        d.session_put(romeo, {.device = 7, .resource = "orchard", .accepted = 0, .acknowledged = 0, .state = "old"});
        d.session_put(romeo, {.device = 7, .resource = "street", .accepted = 3, .acknowledged = 4, .state = "new"});
        d.session_count(5, most, 12);
        d.session_count(99, 1, 1);
    });
    in_transaction(d, [&] {
        auto hers = d.sessions(juliet);
        ASSERT_EQ(hers.size(), 2U);
        std::ranges::sort(hers, {}, &KeptSession::device);
        expect_same(hers[0], {5, tomb.resource, most, 12, tomb.state});
        expect_same(hers[1], balcony);
        ASSERT_EQ(d.sessions(romeo).size(), 1U);
        expect_same(d.sessions(romeo)[0], {7, "street", 3, 4, "new"});
        EXPECT_TRUE(d.sessions("nobody@nowhere.lit").empty());
        using Owners = std::vector<std::string>;
        EXPECT_EQ(d.session_owners("", 2), (Owners{"aa@x", juliet})) << "each once";
        EXPECT_EQ(d.session_owners(juliet, 2), (Owners{romeo}));
        EXPECT_EQ(d.session_owners(romeo, 2), Owners{});
        d.session_erase(5);
        d.session_erase(7);
        d.session_erase(99);
    });
    in_transaction(d, [&] {
        ASSERT_EQ(d.sessions(juliet).size(), 1U);
        expect_same(d.sessions(juliet)[0], balcony);
        EXPECT_TRUE(d.sessions(romeo).empty());
        d.session_count(5, 1, 1);
        EXPECT_EQ(d.sessions(juliet).size(), 1U) << "counting brings nothing back";
    });
}

TEST_P(EveryDriver, takes_everything_back_on_rollback) {
    const KeptSession before{.device = 5, .resource = "balcony", .accepted = 1, .acknowledged = 2, .state = "s"};
    in_transaction(d, [&] {
        d.put(Space::items, "t", juliet, "k", "old");
        d.journal_append(juliet, entry(1, "x", {{5, 1}}));
        d.journal_append(juliet, entry(2));
        d.session_put(juliet, before);
        d.session_put(juliet, {.device = 6, .resource = "r", .accepted = 0, .acknowledged = 0, .state = {}});
        d.put(Space::items, "t", romeo, "k", "romeo's");
        d.session_put(romeo, {.device = 7, .resource = "r", .accepted = 0, .acknowledged = 0, .state = {}});
    });
    d.begin();
    d.put(Space::items, "t", juliet, "k", "new");
    d.put(Space::items, "t", juliet, "k", "newer");
    d.put(Space::items, "t", juliet, "more", "x");
    d.erase(Space::items, "t", juliet, "k");
    d.journal_append(juliet, entry(3));
    d.journal_hold(juliet, 1, std::vector<Holder>{{6, 1}});
    d.journal_hold(juliet, 1, {});
    d.journal_erase(juliet, Sequences{1, 3});
    d.session_count(5, 10, 10);
    d.session_put(juliet, {.device = 5, .resource = "tomb", .accepted = 0, .acknowledged = 0, .state = "t"});
    d.session_put(juliet, {.device = 8, .resource = "r", .accepted = 0, .acknowledged = 0, .state = {}});
    d.session_erase(5);
    d.session_erase(6);
    d.erase_owner(romeo);
    d.session_put(romeo, {.device = 7, .resource = "another", .accepted = 0, .acknowledged = 0, .state = {}});
    d.put(Space::items, "t", romeo, "later", "x");
    d.rollback();
    in_transaction(d, [&] {
        EXPECT_EQ(d.list(Space::items, "t", juliet), (Rows{{"k", "old"}}));
        EXPECT_EQ(d.list(Space::items, "t", romeo), (Rows{{"k", "romeo's"}}));
        expect_state(juliet, {2, 2, 2});
        EXPECT_EQ(sequences(d.journal_read(juliet, 0, 10)), (Sequences{1, 2}));
        EXPECT_EQ(d.journal_held(juliet).at(0).holders, (std::vector<Holder>{{5, 1}}));
        ASSERT_EQ(d.sessions(juliet).size(), 2U);
        expect_same(d.sessions(juliet)[0], before);
        EXPECT_EQ(d.sessions(romeo).at(0).resource, "r");
        d.journal_append(juliet, entry(3));   // the first one with this number never was
        d.session_count(7, 3, 4);
        EXPECT_EQ(d.sessions(romeo).at(0).acknowledged, 4U);
    });
    d.rollback();   // without a transaction: nothing happens
}

TEST_P(EveryDriver, erases_an_owner_everywhere_and_nobody_else) {
    in_transaction(d, [&] {
        for (const auto* owner : {juliet, romeo}) {
            d.put(Space::resident, "roster", owner, "k", "v");
            d.put(Space::items, "credentials", owner, "", "v");
            d.journal_append(owner, entry(1, "x", {{5, 1}}));
            d.session_put(
                owner,
                {.device = owner == juliet ? 5U : 6U, .resource = "r", .accepted = 0, .acknowledged = 0, .state = {}});
        }
        d.erase_owner(juliet);
    });
    in_transaction(d, [&] {
        EXPECT_TRUE(d.load(juliet).empty());
        EXPECT_FALSE(d.get(Space::items, "credentials", juliet, ""));
        EXPECT_TRUE(d.journal_read(juliet, 0, 10).empty());
        EXPECT_TRUE(d.journal_held(juliet).empty());
        EXPECT_TRUE(d.sessions(juliet).empty());
        expect_state(juliet, {});
        EXPECT_TRUE(d.count(juliet).empty());
        EXPECT_EQ(d.load(romeo).size(), 1U);
        EXPECT_EQ(d.journal_state(romeo).count, 1U);
        EXPECT_EQ(d.session_owners("", 10), std::vector<std::string>{romeo});
        d.erase_owner("nobody@nowhere.lit");
    });
}

// ---- what only the memory driver does

TEST(MemoryDriver, hands_everything_over_to_its_next_version) {
    const auto old = memory::open(), next = memory::open();
    auto sent = entry(2, "<message/>", {{5, 1}, {6, most}});
    sent.origin = most;
    sent.origin_number = 4;
    in_transaction(*old, [&] {
        old->put(Space::items, "t", juliet, "k", "v");
        old->journal_append(juliet, entry(1));
        old->journal_append(juliet, sent);
        old->journal_erase(juliet, Sequences{1});
        old->session_put(romeo, {.device = 7, .resource = "r", .accepted = 1, .acknowledged = 2, .state = "s"});
    });
    const auto kept = old->hand_over();
    for (std::size_t cut = 1; cut < kept.size(); ++cut)
        ASSERT_FALSE(memory::open()->take_over(std::string_view{kept}.substr(0, cut))) << "cut at " << cut;
    EXPECT_FALSE(memory::open()->take_over(kept + "x"));
    ASSERT_TRUE(next->take_over(kept));
    in_transaction(*next, [&] {
        EXPECT_EQ(next->get(Space::items, "t", juliet, "k"), "v");
        EXPECT_EQ(next->journal_state(juliet).last_sequence, 2U);
        EXPECT_EQ(next->journal_held(juliet).at(0).holders, sent.holders);
        EXPECT_EQ(next->journal_sent(most, 3).at(0).id, "id-2");
        next->session_count(7, 10, 20);
        EXPECT_EQ(next->sessions(romeo).at(0).acknowledged, 20U);
        EXPECT_EQ(next->sessions(romeo).at(0).state, "s");
    });
}

/// The form of the version that had no sessions and no holders, byte by byte.
TEST(MemoryDriver, reads_what_its_first_version_handed_over) {
    std::string kept;
    const auto number = [&](std::uint64_t n) { kept.append(reinterpret_cast<const char*>(&n), sizeof n); };
    const auto text = [&](std::string_view t) {
        number(t.size());
        kept.append(t);
    };
    text("memory-1");
    number(1);
    text(juliet);
    for (const auto* value : {"resident", "item"}) {
        number(1);
        text("t");
        text("k");
        text(value);
    }
    for (const std::uint64_t n : {1, 10, 3, 1, 3}) number(n);   // count, bytes, last, entries; sequence
    number(1'700'000'000'123);
    text("id-3");
    text("<message/>");
    const auto driver = memory::open();
    ASSERT_TRUE(driver->take_over(kept));
    in_transaction(*driver, [&] {
        EXPECT_EQ(driver->get(Space::resident, "t", juliet, "k"), "resident");
        EXPECT_EQ(driver->get(Space::items, "t", juliet, "k"), "item");
        EXPECT_EQ(driver->journal_read(juliet, 0, 10).at(0).stanza, "<message/>");
        EXPECT_EQ(driver->journal_state(juliet).last_sequence, 3U);
        EXPECT_TRUE(driver->journal_held(juliet).empty());
    });
}

TEST(MemoryDriver, does_not_promise_what_it_cannot_do) {
    const auto driver = memory::open();
    driver->promise(Durability::fast);
    driver->promise(Durability::commit);
    EXPECT_THROW(driver->promise(Durability::fsync), std::runtime_error);
}

}   // namespace
