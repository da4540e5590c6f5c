// Journal and resumption as a model that is small enough to be searched whole: one sender, one recipient with two
// devices, two commits, one disk, and crashes, cuts and presence wherever they hurt. It follows kernel/route (entry,
// outbox, journal, local_session) step by step and shares no code with it. Each rule can be switched off, and has to be
// missed. What it leaves out: a store that fails, senders whose session ends, quotas, expiry.
#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "journal_model/world.hpp"

namespace {

using namespace journal_model;

struct Hash {
    std::size_t operator()(const State& state) const {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&state), sizeof state});
    }
};

// --- the search

struct Action {
    std::string_view name;
    std::function<bool(World&)> happens;   // false: it can't
    bool is_progress = true;               // nothing has come to rest while one of these can happen
};

std::vector<Action> all_actions() {
    std::vector<Action> all{
        {"sender's next stanza arrives", &World::receive},
        {"sender is told h", &World::tell},
        {"sender resumes", &World::sender_resumes},
        {"sender's shard begins a commit", &World::sender_begins},
        {"sender's shard has committed", &World::sender_commits},
        {"recipient's shard begins a commit", &World::begins},
        {"recipient's shard has committed", &World::commits},
        {"what waits is handed over", &World::hand_over},
        {"sender's account is loaded", &World::load_sender},
        {"recipient's account is loaded", &World::load},
        {"CRASH", &World::crash, false},
        {"sender's connection is cut", &World::cut_sender, false},
        {"phone gives up, its session ends", [](World& w) { return w.give_up(0); }, false},
        {"tablet logs in", [](World& w) { return w.log_in(1); }},
    };
    const auto of_each = [&](std::array<std::string_view, devices> names, bool (World::*what)(Byte), bool is_progress) {
        for (Byte d = 0; d < devices; ++d)
            all.push_back({names[d], [=](World& w) { return (w.*what)(d); }, is_progress});
    };
    of_each({"phone gets a stanza", "tablet gets a stanza"}, &World::get, true);
    of_each({"phone acknowledges", "tablet acknowledges"}, &World::answer, true);
    of_each({"phone resumes", "tablet resumes"}, &World::resume, true);
    of_each({"phone's connection is cut", "tablet's connection is cut"}, &World::cut, false);
    of_each({"phone is sent a presence", "tablet is sent a presence"}, &World::see_presence, false);
    return all;
}

/// A phone that is there, a tablet that is not yet, and somebody with something to say.
State beginning(const Bounds& bounds) {
    State state{};
    state.sender.queue = bounds.script;
    state.sender.is_loaded = state.sender.is_connected = state.is_loaded = 1;
    auto& phone = state.to[0];
    phone.session = Is::live;
    phone.is_connected = phone.may_speak = phone.is_on_disk = 1;
    state.crashes = bounds.crashes;
    state.cuts = bounds.cuts;
    state.ends = bounds.ends;
    state.presences = bounds.presences;
    return state;
}

std::string wrong(const State& state) {
    switch (state.fault) {
        case Fault::none:
            return {};
        case Fault::repeated:
            return "a device got a message twice";
        case Fault::disordered:
            return "a device got a message after a later one";
        case Fault::count_fell:
            return "somebody's h fell";
        case Fault::count_too_high:
            return "somebody counted what was not sent";
    }
    return {};
}

/// Everybody is there, nothing is on its way.
std::string wrong_at_rest(const State& state, const Bounds& bounds) {
    if (state.sender.queue.size != 0) return "the sender is never told that all is counted";
    for (const auto message : bounds.script)
        if (message != presence && ((state.to[0].seen | state.to[1].seen) & bit(message)) == 0)
            return "message " + std::to_string(message) + " was counted and reached nobody";
    // One that is acknowledged may wait for its origin to count on (some clients leave numbers out).
    if (std::ranges::any_of(state.entries, [](const Entry& e) { return !e.is_gone; })) return "an entry stays for ever";
    return {};
}

struct Found {
    std::size_t states = 0, at_rest = 0;
    std::string what, trace;   // empty: nothing is wrong
};

Found search(const Bounds& bounds) {
    struct Step {
        const std::pair<const State, Step>* from;
        std::string_view action;
    };
    using Node = std::pair<const State, Step>;
    const auto actions = all_actions();
    std::unordered_map<State, Step, Hash> seen;
    std::deque<const Node*> next;
    next.push_back(&*seen.emplace(beginning(bounds), Step{nullptr, "beginning"}).first);
    std::size_t rests = 0;
    const auto found = [&](const Node* at, std::string what) {
        Found result{seen.size(), rests, std::move(what), {}};
        for (; at != nullptr; at = at->second.from)
            result.trace = "  " + std::string{at->second.action} + "\n" + result.trace;
        return result;
    };
    for (; !next.empty(); next.pop_front()) {
        const auto* here = next.front();
        if (auto what = wrong(here->first); !what.empty()) return found(here, std::move(what));
        bool is_at_rest = true;
        for (const auto& action : actions) {
            World world{here->first, bounds};
            if (!action.happens(world)) continue;
            is_at_rest &= !action.is_progress;
            const auto [at, is_new] = seen.try_emplace(static_cast<const State&>(world), Step{here, action.name});
            if (is_new) next.push_back(&*at);
        }
        if (!is_at_rest) continue;
        ++rests;
        if (auto what = wrong_at_rest(here->first, bounds); !what.empty()) return found(here, std::move(what));
    }
    return {seen.size(), rests, {}, {}};
}

void expect_nothing_wrong(const Bounds& bounds) {
    const auto found = search(bounds);
    EXPECT_EQ(found.what, "") << "after\n" << found.trace;
    EXPECT_GT(found.at_rest, 0U);
    std::cout << found.states << " states, " << found.at_rest << " at rest\n";
}

TEST(JournalModel, loses_and_repeats_nothing_where_delivery_waits_for_the_commit) {
    expect_nothing_wrong({.script = two_messages, .crashes = 2});
    expect_nothing_wrong({.script = two_messages, .crashes = 1, .cuts = 1});
    expect_nothing_wrong({.script = two_messages, .crashes = 2, .ends = 1});
    expect_nothing_wrong({.script = with_presence, .crashes = 1});
    expect_nothing_wrong({.script = one_message, .crashes = 2, .presences = 1});
    expect_nothing_wrong({.script = one_message, .crashes = 1, .presences = 2});
    expect_nothing_wrong({.script = one_message, .crashes = 1, .cuts = 1, .ends = 1});
}

TEST(JournalModel, loses_nothing_and_repeats_only_after_a_crash_where_delivery_is_fast) {
    expect_nothing_wrong({.is_fast = true, .script = two_messages, .cuts = 1, .ends = 1});
    expect_nothing_wrong({.is_fast = true, .script = two_messages, .crashes = 1});
    expect_nothing_wrong({.is_fast = true, .script = one_message, .crashes = 2, .ends = 1});
    expect_nothing_wrong({.is_fast = true, .script = one_message, .crashes = 1, .cuts = 1, .ends = 1});
    expect_nothing_wrong({.is_fast = true, .script = one_message, .crashes = 1, .ends = 1, .presences = 1});
}

TEST(JournalModel, misses_each_rule_that_is_left_out) {
    const std::vector<std::pair<Rule, Bounds>> needs{
        {Rule::count_after_commit, {.script = one_message, .crashes = 1}},
        {Rule::tell_what_is_on_disk, {.script = one_message, .crashes = 1}},
        {Rule::resume_when_counted, {.script = one_message, .cuts = 1}},
        {Rule::recognise_what_comes_again, {.script = one_message, .crashes = 1}},
        {Rule::erase_after_the_origins_counter, {.script = one_message, .crashes = 1}},
        {Rule::know_the_origin_of_what_was_read, {.script = one_message, .crashes = 2}},
        {Rule::know_the_origin_of_what_was_read, {.script = one_message, .crashes = 1, .cuts = 1, .ends = 1}},
        {Rule::keep_that_it_is_done, {.script = two_messages, .crashes = 2, .ends = 1}},
        {Rule::deliver_after_commit, {.script = one_message, .crashes = 1}},
        {Rule::deliver_after_its_number, {.script = one_message, .crashes = 2}},
        {Rule::number_when_the_client_resumes, {.script = one_message, .crashes = 1, .presences = 1}},
        {Rule::speak_when_the_session_is_on_disk, {.script = one_message, .presences = 1}},
        {Rule::hold_until_acknowledged, {.script = one_message, .crashes = 1}},
        {Rule::give_back_at_the_end, {.script = one_message, .cuts = 1, .ends = 1}},
        {Rule::queue_behind_what_waits, {.script = two_messages, .cuts = 1, .ends = 1}},
    };
    for (auto [rule, bounds] : needs) {
        const auto at = static_cast<std::size_t>(rule);
        bounds.off.set(at);
        const auto found = search(bounds);
        EXPECT_NE(found.what, "") << rules[at] << ": nobody misses it in " << found.states << " states";
        std::cout << "without \"" << rules[at] << "\" " << found.what << ":\n" << found.trace;
    }
}

}   // namespace
