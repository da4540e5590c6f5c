// Crash notes: what a dying process writes, how the next one reads it, and when a module stays out.
#include "server/crash_note.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include <gtest/gtest.h>

#include "back_off.hpp"
#include "server/scratch_folder.hpp"

namespace tambo {
namespace {

using namespace std::chrono_literals;
using Kind = CrashHistory::Event::Kind;

constexpr Duration window = 10min;
const Time noon{1'795'348'800s};

std::string at(Duration after_noon, std::string_view what) {
    return std::to_string(std::chrono::floor<std::chrono::seconds>(noon + after_noon).time_since_epoch().count()) +
           ' ' + std::string{what} + '\n';
}

std::string died(Duration after_noon, const std::string& module) {
    return at(after_noon, "died SIGSEGV " + module + " 0");
}

std::string content(const std::filesystem::path& file) {
    std::ifstream in{file};
    return {std::istreambuf_iterator<char>{in}, {}};
}

/// A data folder with notes in it, and the starts of servers there.
class Notes : public testing::Test {
protected:
    CrashNotes start(Time now = noon) { return {folder_.path(), &note_, {3, window}, now}; }
    void leave(const std::string& text) const { std::ofstream{file_} << text; }

    const ScratchFolder folder_;
    const std::filesystem::path file_ = folder_.path() / "crash-notes";
    CrashNote note_;
};

// --- lines

TEST(CrashHistory, gives_back_what_it_read) {
    const auto text = at(0s, "started") + died(1s, "roster") + at(2s, "died SIGABRT - -") + at(3s, "forgiven roster") +
                      at(4s, "stopped");
    EXPECT_EQ(CrashHistory{text}.text(), text);
}

TEST(CrashHistory, leaves_out_what_it_does_not_understand) {
    for (const std::string_view line :
         {"", " ", "started", "x started", "-5 started", "99999999999999999999 started", "300000000000 stopped",
          "1795348800 exploded", "1795348800", "1795348800started", "\xff\xfe\x00 died", "1795348800  died"})
        EXPECT_TRUE(CrashHistory{line}.events().empty()) << line;
}

TEST(CrashHistory, reads_a_line_that_was_cut_wherever_that_was) {
    const auto whole = at(0s, "started");
    const auto last = died(1s, "roster");
    for (std::size_t cut = 0; cut < last.size(); ++cut) {
        const CrashHistory history{whole + last.substr(0, cut)};
        ASSERT_GE(history.events().size(), 1U) << cut;
        EXPECT_EQ(history.events().front().kind, Kind::started) << cut;
        EXPECT_LE(history.blamed("roster", noon, window), 1U) << cut;
    }
}

TEST(CrashHistory, knows_how_the_last_run_ended) {
    EXPECT_EQ(CrashHistory{}.last_run(), nullptr);
    const auto end = [](const std::string& text) { return CrashHistory{text}.last_run()->kind; };
    EXPECT_EQ(end(at(0s, "started")), Kind::started);
    EXPECT_EQ(end(at(0s, "started") + died(1s, "roster")), Kind::died);
    EXPECT_EQ(end(died(0s, "roster") + at(1s, "started") + at(2s, "stopped")), Kind::stopped);
    EXPECT_EQ(end(at(0s, "started") + at(1s, "forgiven roster")), Kind::started);
}

TEST(CrashHistory, counts_crashes_of_that_module_within_the_window) {
    const CrashHistory history{died(-601s, "roster") + died(-599s, "roster") + died(-3s, "bind") + died(-2s, "roster") +
                               at(-1s, "died SIGSEGV - 0")};
    EXPECT_EQ(history.blamed("roster", noon, window), 2U);
    EXPECT_EQ(history.blamed("bind", noon, window), 1U);
    EXPECT_EQ(history.blamed("disco", noon, window), 0U);
    EXPECT_EQ(history.blamed("roster", noon + 11min, window), 0U);
}

TEST(CrashHistory, counts_from_when_a_module_was_forgiven) {
    const auto forgiven = died(-5s, "roster") + died(-4s, "bind") + at(-3s, "forgiven roster");
    EXPECT_EQ(CrashHistory{forgiven}.blamed("roster", noon, window), 0U);
    EXPECT_EQ(CrashHistory{forgiven}.blamed("bind", noon, window), 1U);
    EXPECT_EQ(CrashHistory{forgiven + died(-2s, "roster")}.blamed("roster", noon, window), 1U);
}

TEST(CrashHistory, a_clock_that_was_set_back_blames_nobody_for_ever) {
    const CrashHistory history{died(5min, "roster") + died(24h, "roster")};
    EXPECT_EQ(history.blamed("roster", noon, window), 1U);
}

TEST(CrashHistory, stays_short) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += died(std::chrono::milliseconds{i}, "roster");
    CrashHistory history{text};
    history.forget_before(noon - window);
    EXPECT_EQ(history.events().size(), 100U);
    history.forget_before(noon + window);
    EXPECT_TRUE(history.events().empty());
}

// --- the file

TEST_F(Notes, the_first_start_has_no_news) {
    const auto notes = start();
    EXPECT_EQ(notes.news(), "");
    EXPECT_EQ(content(file_), at(0s, "started"));
}

TEST_F(Notes, a_stop_in_order_is_no_news) {
    {
        const auto notes = start();
    }
    EXPECT_TRUE(content(file_).ends_with(" stopped\n")) << content(file_);
    EXPECT_EQ(start().news(), "");
}

TEST_F(Notes, a_death_is_told_once) {
    leave(at(-9s, "started") + at(-2s, "died SIGABRT roster 1"));
    EXPECT_EQ(start().news(), "the last run died by SIGABRT in module roster on shard 1 at 2026-11-22T11:59:58Z");
    EXPECT_EQ(start().news(), "");
}

TEST_F(Notes, so_is_an_end_without_a_word) {
    leave(at(-9s, "started"));
    EXPECT_NE(start().news().find("did not end in order"), std::string::npos);
}

TEST_F(Notes, a_module_stays_out_after_its_third_crash_until_the_window_has_passed) {
    leave(died(-9s, "roster") + died(-8s, "roster") + died(-7s, "bind"));
    EXPECT_EQ(start().objection("roster"), "");
    leave(content(file_) + died(-6s, "roster"));
    EXPECT_EQ(start().objection("roster"), "it ran at 3 crashes within 10 min");
    EXPECT_EQ(start().objection("bind"), "");
    EXPECT_EQ(start(noon + 11min).objection("roster"), "");
}

TEST_F(Notes, zero_means_that_none_stays_out) {
    leave(died(-9s, "roster") + died(-8s, "roster") + died(-7s, "roster"));
    const CrashNotes notes{folder_.path(), &note_, {0, window}, noon};
    EXPECT_EQ(notes.objection("roster"), "");
}

TEST_F(Notes, who_was_brought_back_begins_anew) {
    leave(died(-9s, "roster") + died(-8s, "roster") + died(-7s, "roster"));
    {
        auto notes = start();
        notes.forgive("roster", noon);
        notes.forgive("bind", noon);   // blamed for nothing: nothing to write
        EXPECT_EQ(notes.objection("roster"), "");
    }
    EXPECT_EQ(start().objection("roster"), "");
    EXPECT_EQ(content(file_).find("forgiven bind"), std::string::npos);
}

TEST_F(Notes, nothing_is_written_without_a_folder_or_a_program_that_wants_it) {
    const CrashNotes without_folder{{}, &note_, {}, noon};
    const CrashNotes without_program{folder_.path(), nullptr, {}, noon};
    note_.write(SIGSEGV);
    EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(Notes, a_folder_that_cannot_be_written_is_told_and_does_no_harm) {
    std::filesystem::create_directory(folder_.path() / "crash-notes.new");
    auto notes = start();
    EXPECT_NE(notes.news().find("cannot be written"), std::string::npos) << notes.news();
    notes.forgive("roster", noon);
    note_.write(SIGSEGV);
}

// --- writing from a handler

TEST_F(Notes, a_note_names_what_runs_on_the_thread) {
    const auto notes = start();
    const ThreadCrumb roster{"roster"};
    {
        const ThreadCrumb bind{"bind"};
        note_.write(SIGILL);
    }
    on_this_thread.shard = 7;
    note_.write(SIGFPE);
    on_this_thread.shard = -1;
    const CrashHistory history{content(file_)};
    ASSERT_EQ(history.events().size(), 3U);
    EXPECT_EQ(to_line(history.events()[1]).substr(11), "died SIGILL bind -\n");
    EXPECT_EQ(to_line(history.events()[2]).substr(11), "died SIGFPE roster 7\n");
}

TEST_F(Notes, who_is_ended_from_outside_names_the_module_in_which_a_shard_stands_still) {
    auto notes = start();
    notes.suspect("sleeper");
    note_.write(SIGABRT);
    on_this_thread.shard = 0;
    note_.write(SIGSEGV);   // the kernel's own fault, whoever stands still elsewhere
    on_this_thread.shard = -1;
    notes.suspect(nullptr);
    note_.write(SIGABRT);
    const CrashHistory history{content(file_)};
    ASSERT_EQ(history.events().size(), 4U);
    EXPECT_EQ(history.events()[1].module, "sleeper");
    EXPECT_EQ(history.events()[2].module, "");
    EXPECT_EQ(history.events()[3].module, "");
}

TEST_F(Notes, a_note_is_one_line_however_long_the_name) {
    const auto notes = start();
    const std::string name(10'000, 'x');
    const ThreadCrumb long_one{name.c_str()};
    note_.write(SIGSEGV);
    const auto text = content(file_);
    EXPECT_EQ(std::ranges::count(text, '\n'), 2);
    EXPECT_LT(text.size(), 400U);
}

TEST(SignalStack, is_there_until_the_thread_ends_and_replaces_no_other) {
    std::thread{[] {
        stack_t first{}, second{};
        use_signal_stack();
        ::sigaltstack(nullptr, &first);
        use_signal_stack();
        ::sigaltstack(nullptr, &second);
        EXPECT_EQ(first.ss_flags & SS_DISABLE, 0);
        EXPECT_EQ(first.ss_sp, second.ss_sp);
    }}.join();
}

// --- how soon who died is brought back

TEST(BackOff, the_first_time_there_is_no_pause) {
    BackOff back_off;
    EXPECT_EQ(back_off.after(0ms, 0.5), 0ms);
}

TEST(BackOff, who_dies_again_and_again_waits_longer_each_time_and_never_for_ever) {
    BackOff back_off;
    back_off.after(0ms, 0);
    auto before = BackOff::Duration::zero();
    for (int i = 0; i < 8; ++i) {
        const auto pause = back_off.after(10ms, 0);
        EXPECT_GT(pause, before) << i;
        before = pause;
    }
    for (int i = 0; i < 100'000; ++i) ASSERT_LE(back_off.after(10ms, 0.999), BackOff::longest_pause);
}

TEST(BackOff, luck_decides_within_one_half) {
    for (const double luck : {0.0, 0.3, 0.999}) {
        BackOff back_off;
        back_off.after(0ms, luck);
        const auto pause = back_off.after(0ms, luck);
        EXPECT_GE(pause, BackOff::first_pause / 2);
        EXPECT_LE(pause, BackOff::first_pause);
    }
}

TEST(BackOff, a_long_life_makes_good_again) {
    BackOff back_off;
    for (int i = 0; i < 5; ++i) back_off.after(0ms, 0);
    EXPECT_EQ(back_off.after(BackOff::long_life, 0), 0ms);
    EXPECT_EQ(back_off.after(0ms, 0), 0ms);
}

}   // namespace
}   // namespace tambo
