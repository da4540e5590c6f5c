#include "modules/roster/subscription.hpp"

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace tambo::roster;

const std::map<std::string, State>& states() {
    static const std::map<std::string, State> all{
        {"None", {}},
        {"None + Pending Out", {.out = true}},
        {"None + Pending In", {.in = true}},
        {"None + Pending Out+In", {.out = true, .in = true}},
        {"To", {.to = true}},
        {"To + Pending In", {.to = true, .in = true}},
        {"From", {.from = true}},
        {"From + Pending Out", {.from = true, .out = true}},
        {"Both", {.to = true, .from = true}},
    };
    return all;
}

struct Row {
    std::string table, direction, type, existing, pass, next;
};

std::vector<Row> appendix_a() {
    std::ifstream file{TAMBO_SOURCE_DIR "/tests/data/subscription.tsv"};
    std::vector<Row> rows;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with('#')) continue;
        std::istringstream fields{line};
        Row row;
        for (auto* field : {&row.table, &row.direction, &row.type, &row.existing, &row.pass, &row.next})
            std::getline(fields, *field, '\t');
        rows.push_back(std::move(row));
    }
    return rows;
}

Outcome apply(const std::string& direction, const std::string& type, State before) {
    const auto act = act_of(type).value();
    return direction == "outbound" ? outbound(act, before) : inbound(act, before);
}

TEST(Subscription, follows_every_row_of_appendix_a) {
    const auto rows = appendix_a();
    ASSERT_EQ(rows.size(), 8u * 9u);
    for (const auto& row : rows) {
        const auto before = states().at(row.existing);
        auto outcome = apply(row.direction, row.type, before);
        outcome.state.approved = false;   // §3.4 comes on top of the tables and has its own tests
        const auto expected = row.next == "no state change" ? before : states().at(row.next);
        EXPECT_EQ(outcome.state, expected) << row.table << " in " << row.existing;
        EXPECT_EQ(outcome.passes, row.pass == "MUST") << row.table << " in " << row.existing;
    }
}

TEST(Subscription, never_leaves_the_nine_states) {
    for (const auto& [name, before] : states()) {
        for (const auto act : {Act::subscribe, Act::unsubscribe, Act::subscribed, Act::unsubscribed}) {
            for (auto after : {outbound(act, before).state, inbound(act, before).state}) {
                EXPECT_FALSE(after.to && after.out) << "from " << name;
                EXPECT_FALSE(after.from && after.in) << "from " << name;
            }
        }
    }
}

TEST(Subscription, sends_presence_exactly_when_the_contact_may_begin_or_end_to_see_it) {
    for (const auto& [name, before] : states()) {
        for (const auto act : {Act::subscribe, Act::unsubscribe, Act::subscribed, Act::unsubscribed}) {
            for (const auto& outcome : {outbound(act, before), inbound(act, before)}) {
                const bool begins = !before.from && outcome.state.from;
                const bool repeats = before.from && outcome.answers;   // the contact had forgotten that it may
                EXPECT_EQ(outcome.begins_presence, begins || repeats) << "from " << name;
                EXPECT_EQ(outcome.ends_presence, before.from && !outcome.state.from) << "from " << name;
            }
        }
    }
}

TEST(Subscription, answers_for_the_user_only_where_the_user_has_agreed) {
    for (const auto& [name, before] : states()) {
        EXPECT_EQ(inbound(Act::subscribe, before).answers, before.from) << "in " << name;
        for (const auto act : {Act::unsubscribe, Act::subscribed, Act::unsubscribed})
            EXPECT_FALSE(inbound(act, before).answers) << "in " << name;
    }
}

TEST(Subscription, keeps_an_approval_that_nobody_asked_for_until_it_is_asked_for) {
    for (const auto* name : {"None", "None + Pending Out", "To"}) {
        const auto early = outbound(Act::subscribed, states().at(name));
        EXPECT_TRUE(early.state.approved) << name;
        EXPECT_FALSE(early.passes) << "RFC 6121 §3.4.2: not routed, in " << name;
        EXPECT_TRUE(looks_different(states().at(name), early.state)) << name;

        const auto request = inbound(Act::subscribe, early.state);
        EXPECT_TRUE(request.answers && request.begins_presence && request.state.from) << name;
        EXPECT_FALSE(request.passes || request.state.in || request.state.approved) << name;
    }
}

TEST(Subscription, does_not_note_an_approval_where_the_contact_is_subscribed_or_waiting) {
    for (const auto* name : {"From", "From + Pending Out", "Both"})
        EXPECT_EQ(outbound(Act::subscribed, states().at(name)).state, states().at(name)) << name;
    for (const auto* name : {"None + Pending In", "None + Pending Out+In", "To + Pending In"})
        EXPECT_FALSE(outbound(Act::subscribed, states().at(name)).state.approved) << name;
}

TEST(Subscription, takes_a_pre_approval_back_without_telling_the_contact) {
    const auto taken_back = outbound(Act::unsubscribed, {.approved = true});
    EXPECT_EQ(taken_back.state, State{});
    EXPECT_FALSE(taken_back.passes);
    EXPECT_TRUE(inbound(Act::subscribe, taken_back.state).passes) << "the user is asked again";
}

TEST(Subscription, hides_requests_that_wait_from_the_roster) {
    EXPECT_FALSE(looks_different({}, {.in = true}));
    EXPECT_TRUE(looks_different({}, {.out = true}));
    EXPECT_TRUE(looks_different({.to = true}, {.to = true, .from = true}));
    EXPECT_TRUE(looks_different({}, {.approved = true}));
}

TEST(Subscription, knows_four_words) {
    EXPECT_FALSE(act_of("").has_value());
    EXPECT_FALSE(act_of("probe").has_value());
    EXPECT_FALSE(act_of("Subscribe").has_value());
    EXPECT_EQ(subscription_name({.to = true, .from = true}), "both");
    EXPECT_EQ(subscription_name({.out = true, .in = true}), "none");
    EXPECT_EQ(subscription_name({.to = true}), "to");
    EXPECT_EQ(subscription_name({.from = true, .out = true}), "from");
}

}   // namespace
