// Versions that can't take over: each ends in one clear sentence, and the version that runs goes on as if nothing had
// been.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace {

namespace fs = std::filesystem;

const fs::path villains{TAMBO_BINARY_DIR "/villains"};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What the counter says: which version it is, how often anybody asked, how often this client did.
struct Answer {
    std::string type, version, count, own;
};

class BadVersions : public testing::Test {
protected:
    BadVersions() {
        play::Cast cast;
        cast.modules = play::all_modules();
        cast.modules.emplace_back("counter");
        cast.folders = {villains};
        cast.threads = 1;   // what counter counts is one shard's share
        stage_ = play::in_process(cast);
        stage_->add_user("romeo", "secret");
        romeo_.connect(stage_->connect(), {});
    }

    tambo::SwapReport reload(const std::string& villain) {
        return stage_->server()->reload("counter", villains / (villain + ".so"));
    }

    void send_question(const std::string& attributes = {}) {
        romeo_.send("<iq type='get' to='localhost' id='q'><query xmlns='urn:tambo:test:counter'" + attributes +
                    "/></iq>");
    }
    Answer read_answer() {
        const auto answer = romeo_.receive();
        const auto* query = answer.child("query");
        const auto get = [](const play::Node* node, const char* name) {
            const auto* value = node != nullptr ? node->attribute(name) : nullptr;
            return value != nullptr ? *value : std::string{};
        };
        return {get(&answer, "type"), get(query, "version"), get(query, "count"), get(query, "own")};
    }
    Answer ask() {
        send_question();
        return read_answer();
    }

    /// The promise of this file.
    void is_refused_file(const fs::path& file, const std::string& step, const std::string& reason) {
        SCOPED_TRACE(file.filename().string());
        const auto before = ask();
        const auto report = stage_->server()->reload("counter", file);
        EXPECT_FALSE(report.done);
        EXPECT_EQ(report.step, step);
        EXPECT_TRUE(has(report.reason, reason)) << report.reason;
        EXPECT_FALSE(has(report.reason, "\n")) << "one sentence: " << report.reason;
        const auto after = ask();
        EXPECT_EQ(after.version, before.version);
        EXPECT_EQ(std::stoi(after.count), std::stoi(before.count) + 1) << "the running version lost count";
        EXPECT_EQ(generations(), 1) << "something of the refused version stays mapped";
    }
    void is_refused(const std::string& villain, const std::string& step, const std::string& reason) {
        is_refused_file(villains / (villain + ".so"), step, reason);
    }

    /// How many images are mapped from the run directory under names that villains have.
    static int generations() {
        std::ifstream maps{"/proc/self/maps"};
        std::string last;
        int count = 0;
        for (std::string line; std::getline(maps, line);) {
            const auto path = line.substr(std::min(line.find('/'), line.size()));
            if (!has(path, "/run/") || path == last) continue;
            const auto name = path.substr(path.rfind('/') + 1);
            const auto villain = villains / (name.substr(0, name.find('.')) + ".so");
            if (fs::exists(villain) && !fs::exists(fs::path{TAMBO_BINARY_DIR} / "modules" / villain.filename()))
                ++count;
            last = path;
        }
        return count;
    }

    /// The supervisor clears away in its own time, for which there is no signal to wait for.
    void await_one_generation() const {
        for (auto left = play::Client::patience / glance; left > 0 && generations() > 1; --left)
            ::poll(nullptr, 0, static_cast<int>(glance.count()));
        EXPECT_EQ(generations(), 1);
    }
    static constexpr std::chrono::milliseconds glance{20};

    std::unique_ptr<play::Stage> stage_;
    play::Client romeo_{"romeo", "r", "localhost"};
};

TEST_F(BadVersions, a_good_version_takes_over_state_and_slots_and_the_old_one_is_gone) {
    ask();
    const auto first = ask();
    EXPECT_EQ(first.version, "1");
    EXPECT_EQ(first.count, "2");
    const auto report = reload("counter_v2");
    ASSERT_TRUE(report.done) << report.step << ": " << report.reason;
    EXPECT_EQ(report.version, "2.0");
    EXPECT_TRUE(report.unmapped) << "the old image is pinned";
    const auto second = ask();
    EXPECT_EQ(second.version, "2");
    EXPECT_EQ(second.count, "3") << "save() and load()";
    EXPECT_EQ(second.own, "3") << "the slot's upgrade()";
    EXPECT_EQ(generations(), 1);
}

TEST_F(BadVersions, a_hundred_swaps_lose_nothing_and_leave_nothing) {
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(ask().count, std::to_string(i + 1));
        const auto report = stage_->server()->reload("counter");
        ASSERT_TRUE(report.done) << report.reason;
        ASSERT_TRUE(report.unmapped) << "swap " << i;
    }
    EXPECT_EQ(generations(), 1);
}

TEST_F(BadVersions, what_can_not_read_the_state_stays_out) {
    is_refused("refuses_state", "meet", "can't read state version 1");
    is_refused("throws_in_load", "meet", "this state makes no sense");
    ASSERT_TRUE(reload("counter_v2").done);
    is_refused("counter", "slots", "newer than this build");   // the way back
}

TEST_F(BadVersions, what_chokes_on_the_way_up_stays_out) {
    is_refused("throws_in_upgrade", "meet", "no way up from here");
}

TEST_F(BadVersions, what_has_changed_its_slots_without_a_way_up_stays_out) {
    is_refused("slot_without_upgrade", "slots", "test-asked");
    is_refused("slot_of_another_shape", "slots", "test-asked");
}

TEST_F(BadVersions, what_fails_at_birth_stays_out) {
    is_refused("throws_in_constructor", "prepare", "no ink to count with");
    is_refused("throws_in_wire", "prepare", "unknown exception");
}

TEST_F(BadVersions, what_wants_too_much_stays_out) {
    is_refused("takes_the_ping", "conflicts", "module ping");
    is_refused("needs_another", "needs", "abacus");
    is_refused("harmless", "prepare", "this is module harmless, not counter");
}

TEST_F(BadVersions, what_is_no_module_for_this_kernel_stays_out) {
    is_refused("wrong_abi", "prepare", "tambo-0 tcc-0.9 cxx98");
    is_refused("no_entry", "prepare", "no tambo_module()");
    is_refused("incomplete", "prepare", "incomplete descriptor");
    is_refused("missing_symbol", "prepare", "nobody_wrote_this");
    is_refused("absent", "prepare", "does not exist");
}

TEST_F(BadVersions, what_would_pin_itself_stays_out) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "sanitizers bring such symbols along, so the check is off";
#endif
    is_refused("unique_pinned", "prepare", "unique symbol");
    is_refused("thread_pinned", "prepare", "thread_local");
}

TEST_F(BadVersions, what_is_half_written_stays_out) {
    std::ifstream in{villains / "counter_v2.so", std::ios::binary};
    const std::string whole{std::istreambuf_iterator<char>{in}, {}};
    const auto file = fs::temp_directory_path() / ("tambo-half-" + std::to_string(::getpid()) + ".so");
    constexpr std::size_t lengths = 60;
    for (std::size_t i = 0; i < lengths; ++i) {
        const auto bytes = i + 1 < lengths ? whole.size() * i / lengths : whole.size() - 1;
        std::ofstream{file, std::ios::binary | std::ios::trunc} << whole.substr(0, bytes);
        is_refused_file(file, "prepare", bytes < 64 ? "not an ELF file" : "cut short");
    }
    std::ofstream{file, std::ios::trunc} << "#!/bin/sh\necho this is a script that somebody gave the wrong name\n";
    is_refused_file(file, "prepare", "not an ELF file");
    fs::remove(file);
}

TEST_F(BadVersions, who_throws_later_costs_its_own_stanza_and_can_be_replaced) {
    ask();
    ASSERT_TRUE(reload("throws_later").done);
    EXPECT_EQ(ask().type, "error");
    romeo_.send("<iq type='get' to='localhost' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT_EQ(*romeo_.receive().attribute("type"), "result") << "another module suffers";
    ASSERT_TRUE(reload("counter").done);
    EXPECT_EQ(ask().count, "2");
}

TEST_F(BadVersions, who_keeps_its_state_to_itself_can_not_be_replaced_but_unloaded) {
    ASSERT_TRUE(reload("throws_in_save").done);
    is_refused("counter", "meet", "mine, all mine");
    ASSERT_TRUE(stage_->server()->unload("counter").done);
    EXPECT_EQ(ask().type, "error");
    ASSERT_TRUE(stage_->server()->load("counter").done);
    EXPECT_EQ(ask().version, "1");
}

TEST_F(BadVersions, a_question_that_waits_is_answered_by_the_version_that_took_it) {
    send_question(" wait='10'");
    stage_->settle();
    romeo_.sync();
    ASSERT_TRUE(reload("counter_v2").done);
    EXPECT_EQ(generations(), 2) << "the old one has something to finish";
    EXPECT_EQ(ask().version, "2");
    stage_->pass(std::chrono::seconds{10});
    EXPECT_EQ(read_answer().version, "1");
    EXPECT_EQ(ask().version, "2");
}

TEST_F(BadVersions, what_waits_too_long_is_given_up_with_its_version_and_the_asker_told) {
    send_question(" wait='3600'");
    romeo_.sync();
    ASSERT_TRUE(reload("counter_v2").done);
    EXPECT_EQ(generations(), 2);
    stage_->pass(std::chrono::minutes{5});
    EXPECT_EQ(read_answer().type, "error");
    await_one_generation();
    EXPECT_EQ(ask().version, "2");
}

TEST_F(BadVersions, what_never_comes_to_rest_is_brought_to_it) {
    ASSERT_TRUE(reload("restless").done);
    EXPECT_EQ(ask().version, "restless");
    ASSERT_TRUE(reload("counter").done);
    EXPECT_EQ(ask().version, "1");
    stage_->pass(std::chrono::minutes{5});
    await_one_generation();
    EXPECT_EQ(ask().version, "1");
}

/// A build that writes while we read: each try ends with one version or the other, never with a piece of both.
TEST_F(BadVersions, what_is_written_while_it_is_loaded_is_whole_or_refused) {
    const auto folder = fs::temp_directory_path() / ("tambo-moving-" + std::to_string(::getpid()));
    const auto file = folder / "counter.so";
    fs::create_directory(folder);
    const auto content = [](const char* name) {
        std::ifstream in{villains / name, std::ios::binary};
        return std::string{std::istreambuf_iterator<char>{in}, {}};
    };
    const auto one = content("counter.so"), other = content("counter_twin.so");
    std::ofstream{file, std::ios::binary} << one;
    std::atomic<bool> is_over{false};
    std::atomic<int> tries{0};
    std::thread builder{[&] {
        for (unsigned turn = 0; !is_over; ++turn) {
            const auto& next = turn % 2 == 0 ? one : other;
            if (turn % 8 < 4) {   // as most linkers do, and as `cp` does
                std::ofstream out{file, std::ios::binary | std::ios::trunc};
                for (std::size_t at = 0; at < next.size(); at += 4096) out << next.substr(at, 4096) << std::flush;
            } else {
                const auto fresh = file.string() + ".new";
                std::ofstream{fresh, std::ios::binary} << next;
                fs::rename(fresh, file);
            }
            for (const auto seen = tries.load(); tries < seen + 2 && !is_over;) std::this_thread::yield();
        }
    }};
    int loaded = 0, refused = 0;
    for (int i = 0; i < 300; ++i) {
        const auto report = stage_->server()->reload("counter", file);
        ++tries;
        ++(report.done ? loaded : refused);
        EXPECT_EQ(report.step, report.done ? "" : "prepare");
        EXPECT_FALSE(has(report.reason, "\n")) << "one sentence: " << report.reason;
        const auto version = ask().version;
        EXPECT_TRUE(version == "1" || version == "1 too") << version;
    }
    is_over = true;
    builder.join();
    fs::remove_all(folder);
    EXPECT_GT(loaded, 0);
    EXPECT_EQ(std::stoi(ask().count), 301) << "the state got lost on the way (" << refused << " were refused)";
    await_one_generation();
}

TEST_F(BadVersions, an_unknown_module_is_not_swapped) {
    const auto report = stage_->server()->reload("abacus");
    EXPECT_FALSE(report.done);
    EXPECT_TRUE(has(report.reason, "abacus") || report.module == "abacus") << report.reason;
    EXPECT_FALSE(report.reason.empty());
}

}   // namespace
