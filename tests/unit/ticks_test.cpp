// urn:tambo:ticks:0 without a server: how ticks are kept and written, what they believe, and the lives of messages.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "modules/ticks/lives.hpp"
#include "modules/ticks/protocol.hpp"
#include "modules/ticks/record.hpp"
#include "modules/ticks/telling.hpp"

namespace {

using namespace tambo;
using namespace tambo::ticks;

Time at(std::int64_t milliseconds) { return Time{std::chrono::milliseconds{milliseconds}}; }
Jid jid(std::string_view text) { return Jid::parse(text).value(); }

Record sent(std::string id, std::int64_t when, std::string with = "romeo@montague.lit") {
    return {.with = std::move(with), .id = std::move(id), .stable_id = {}, .sent = at(when)};
}

Record full() {
    auto record = sent("m 1\n2", 1'700'000'000'000);
    record.stable_id = "s7";
    record.accepted = at(1'700'000'000'010);
    record.devices = {{"romeo@montague.lit/the orchard, at night", at(5), {}}, {"romeo@montague.lit/2", at(6), at(7)}};
    return record;
}

// --- in the store

TEST(TicksRecord, comes_back_as_it_was_written) {
    auto dropped = sent("", 1);
    dropped.failure = Failure::dropped;
    dropped.failed = at(-3);
    for (const auto& record : {full(), sent("x", 0), dropped})
        EXPECT_EQ(decode(key_of(record.with, record.id), encode(record)), record) << record.id;
}

TEST(TicksRecord, is_not_read_from_what_was_not_written) {
    const auto row = encode(full());
    EXPECT_FALSE(decode("no line end in it", row).has_value());
    const auto head = row.find(" s7");
    for (std::size_t cut = 0; cut < head; ++cut) EXPECT_FALSE(decode("a\nb", row.substr(0, cut)).has_value()) << cut;
    for (const auto* bad :
         {"1 2 3 4 x", "1 2 3 -1 x", "x 2 3 0 x", "1 2 3 0 x\nno device", "99999999999999999999 2 3 0 x"})
        EXPECT_FALSE(decode("a\nb", bad).has_value()) << bad;
}

TEST(TicksRecord, holds_so_many_devices_and_no_more) {
    auto record = sent("m", 1);
    for (std::size_t n = 0; n < 2 * max_devices; ++n) (void)record.device("romeo@montague.lit/" + std::to_string(n));
    EXPECT_EQ(record.devices.size(), max_devices);
    EXPECT_NE(record.device("romeo@montague.lit/0"), nullptr) << "those that are known go on";
    auto row = encode(record);
    row += "\n1 2 romeo@montague.lit/another";
    EXPECT_EQ(decode("a\nb", row)->devices.size(), max_devices);
}

TEST(TicksShow, is_called_the_same_in_both_directions) {
    for (const auto show : {Show::nothing, Show::accepted, Show::delivered, Show::read})
        EXPECT_EQ(show_of(name_of(show)), show);
    EXPECT_FALSE(show_of("").has_value());
}

// --- reports

TEST(TicksReport, comes_back_as_it_was_written) {
    using What = Report::What;
    for (const auto what : {What::accepted, What::delivered, What::dropped, What::refused}) {
        const Report report{what, "<m&1>", "s1", at(1'700'000'000'123)};
        const auto tape = parse_xml(write(report));
        ASSERT_TRUE(tape.has_value());
        EXPECT_EQ(read_report(Element{*tape, 0}), report);
    }
}

TEST(TicksReport, is_refused_if_it_lacks_anything) {
    const std::string long_id(max_id_bytes + 1, 'x');
    for (const auto& xml : {std::string{"<tick state='accepted' at='2026-11-22T07:00:00Z'/>"},
                            std::string{"<tick id='m' state='accepted'/>"},
                            std::string{"<tick id='m' state='read' at='2026-11-22T07:00:00Z'/>"},
                            std::string{"<tick id='m' state='accepted' at='today'/>"},
                            "<tick id='" + long_id + "' state='accepted' at='2026-11-22T07:00:00Z'/>"}) {
        const auto tape = parse_xml(xml);
        EXPECT_FALSE(read_report(Element{*tape, 0}).has_value()) << xml;
    }
}

TEST(TicksReport, is_entered_once_and_for_each_device) {
    using What = Report::What;
    auto record = sent("m", 1);
    const auto phone = jid("romeo@montague.lit/phone"), laptop = jid("romeo@montague.lit/laptop");
    EXPECT_TRUE(enter(record, {What::delivered, "m", "s", at(5)}, phone)) << "acknowledged before the commit";
    EXPECT_TRUE(enter(record, {What::accepted, "m", "s", at(4)}, phone.bare()));
    EXPECT_FALSE(enter(record, {What::accepted, "m", "s", at(9)}, phone.bare())) << "the first time counts";
    EXPECT_FALSE(enter(record, {What::delivered, "m", "s", at(9)}, phone));
    EXPECT_TRUE(enter(record, {What::delivered, "m", "s", at(9)}, laptop));
    EXPECT_FALSE(enter(record, {What::dropped, "m", "s", at(9)}, phone.bare())) << "somebody has it";
    EXPECT_EQ(record.accepted, at(4));
    EXPECT_EQ(record.devices,
              (std::vector<Device>{{std::string{phone.text()}, at(5), {}}, {std::string{laptop.text()}, at(9), {}}}));
    EXPECT_TRUE(enter_read(record, laptop, at(12)));
    EXPECT_FALSE(enter_read(record, laptop, at(13)));
    EXPECT_EQ(record.changed(), at(12));
}

// --- questions

Result<Query> query(const std::string& attributes, std::size_t most = 100) {
    const auto tape = parse_xml("<ticks " + attributes + "/>");
    return read_query(Element{*tape, 0}, most);
}

TEST(TicksQuery, says_what_is_wrong) {
    EXPECT_EQ(query("start='yesterday'").error().condition, Condition::bad_request);
    EXPECT_EQ(query("max='0'").error().condition, Condition::bad_request);
    EXPECT_EQ(query("max='many'").error().condition, Condition::bad_request);
    EXPECT_EQ(query("with='@'").error().condition, Condition::jid_malformed);
    EXPECT_EQ(query("after='MQ=='").error().condition, Condition::item_not_found);
    EXPECT_EQ(query("max='1000'").value().most, 100U);
    EXPECT_EQ(query("with='romeo@montague.lit/phone'").value().with, "romeo@montague.lit");
}

TEST(TicksQuery, finds_by_id_peer_and_range) {
    auto read = sent("c", 3000);
    (void)enter_read(read, jid("romeo@montague.lit/phone"), at(9000));
    const std::vector<Record> all{sent("a", 1000, "paris@verona.lit"), sent("b", 2000), read};
    const auto found = [&](const std::string& attributes) {
        std::string ids;
        for (const auto& record : select(all, query(attributes).value()).records) ids += record.id;
        return ids;
    };
    EXPECT_EQ(found(""), "abc");
    EXPECT_EQ(found("id='b'"), "b");
    EXPECT_EQ(found("id='B'"), "");
    EXPECT_EQ(found("with='romeo@montague.lit'"), "bc");
    EXPECT_EQ(found("start='1970-01-01T00:00:02Z' end='1970-01-01T00:00:02Z'"), "b");
    EXPECT_EQ(found("since='1970-01-01T00:00:04Z'"), "c") << "changed later than it was sent";
}

TEST(TicksQuery, turns_pages_also_where_many_were_sent_at_once) {
    std::vector<Record> all;
    for (const auto* id : {"a", "b", "c", "d", "e"}) all.push_back(sent(id, 1000));
    std::string ids, after;
    for (std::size_t pages = 0; pages < 5; ++pages) {
        const auto page = select(all, query("max='2'" + (after.empty() ? "" : " after='" + after + "'")).value());
        for (const auto& record : page.records) ids += record.id;
        after = page.next;
        if (after.empty()) break;
    }
    EXPECT_EQ(ids, "abcde");
}

TEST(TicksEntry, tells_no_more_than_may_be_shown) {
    const Page page{{full()}, {}};
    EXPECT_NE(write(page, Show::read).find(" read="), std::string::npos);
    const auto delivered = write(page, Show::delivered);
    EXPECT_EQ(delivered.find(" read="), std::string::npos);
    EXPECT_NE(delivered.find(" delivered="), std::string::npos);
    const auto accepted = write(page, Show::accepted);
    EXPECT_EQ(accepted.find("device"), std::string::npos);
    EXPECT_NE(accepted.find(" accepted="), std::string::npos);
}

// --- lives

const auto romeo = jid("romeo@montague.lit"), juliet = jid("juliet@capulet.lit/balcony");

TEST(TicksLives, are_found_by_sequence_while_they_last) {
    constexpr std::uint64_t most = 5;
    Lives lives{most};
    for (std::uint64_t n = 1; n <= 23; ++n) {
        lives.set_sequence(lives.begin(romeo, juliet, std::to_string(n), at(0)), n);
        for (std::uint64_t other = 1; other <= n; ++other) {
            const auto* life = lives.find(romeo, other);
            if (other + most <= n)
                EXPECT_EQ(life, nullptr) << other << " after " << n;
            else
                ASSERT_NE(life, nullptr) << other << " after " << n;
            if (life != nullptr) {
                EXPECT_EQ(life->id, std::to_string(other));
            }
        }
    }
    EXPECT_EQ(lives.find(jid("mercutio@montague.lit"), 23), nullptr) << "sequences belong to accounts";
    std::string order;
    lives.each([&](const Life& life) { order += life.id + " "; });
    EXPECT_EQ(order, "19 20 21 22 23 ");
}

TEST(TicksLives, are_forgotten_with_their_accounts) {
    Lives lives{10};
    lives.set_sequence(lives.begin(romeo, juliet, "to romeo", at(0)), 1);
    lives.set_sequence(lives.begin(jid("paris@verona.lit"), juliet, "to paris", at(0)), 1);
    lives.set_sequence(lives.begin(juliet.bare(), jid("romeo@montague.lit/x"), "from romeo", at(0)), 1);
    lives.forget(romeo);
    std::string left;
    lives.each([&](const Life& life) { left += life.id; });
    EXPECT_EQ(left, "to paris");
    EXPECT_EQ(lives.find(romeo, 1), nullptr);
    EXPECT_NE(lives.find(jid("paris@verona.lit"), 1), nullptr);
}

TEST(TicksLives, have_an_end_also_where_devices_come_and_go) {
    Lives lives{1};
    auto& life = lives.begin(romeo, juliet, "m", at(0));
    for (int n = 0; n < 1000; ++n) life.add({Step::What::tried, at(n), romeo});
    EXPECT_LE(life.steps.size(), 32U);
    EXPECT_EQ(life.steps.size() + life.left_out, 1000U);
}

TEST(TicksLives, are_told_from_shard_to_shard_and_not_at_all_if_hidden) {
    Lives lives{2};
    auto& life = lives.begin(romeo, juliet, "m", at(1000));
    lives.set_sequence(life, 4);
    life.add({Step::What::tried, at(1001), jid("romeo@montague.lit/phone")});
    life.add({Step::What::delivered, at(1002), jid("romeo@montague.lit/phone")});
    const auto told = unpack(pack(tell(life)));
    ASSERT_TRUE(told.has_value());
    EXPECT_EQ(told->state, "delivered");
    EXPECT_EQ(told->from, juliet.text());
    ASSERT_EQ(told->steps.size(), 3U);
    EXPECT_NE(told->steps.back().find("romeo@montague.lit/phone"), std::string::npos);
    EXPECT_TRUE(life.is_called("m"));
    life.is_hidden = true;
    EXPECT_FALSE(life.is_called("m"));
    EXPECT_FALSE(life.is_called(""));
}

}   // namespace
