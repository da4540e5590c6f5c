// Several modules in one go: all of them, or none; and what the report says of it.
#include <algorithm>
#include <filesystem>
#include <fstream>
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

class Transactions : public testing::Test {
protected:
    Transactions() {
        fs::create_directory(folder_);
        build("counter");
        fs::copy_file(villains / "sticky.so", folder_ / "sticky.so");
        play::Cast cast;
        cast.modules = play::all_modules();
        cast.modules.insert(cast.modules.end(), {"counter", "sticky"});
        cast.settings.push_back({"module sticky", "until", gate().string()});
        cast.folders = {folder_};
        stage_ = play::in_process(cast);
        for (const auto* user : {"romeo", "juliet"}) stage_->add_user(user, "secret");
        romeo_.connect(stage_->connect(), {});
    }
    ~Transactions() override {
        open_gate();
        stage_.reset();
        fs::remove_all(folder_);
    }

    /// What the author's compiler leaves at the place of the counter.
    void build(const std::string& villain) {
        const auto fresh = folder_ / "counter.new";
        fs::copy_file(villains / (villain + ".so"), fresh, fs::copy_options::overwrite_existing);
        fs::rename(fresh, folder_ / "counter.so");
    }
    fs::path gate() const { return folder_ / "gate"; }
    void open_gate() const { std::ofstream{gate()}; }

    tambo::Server& server() { return *stage_->server(); }
    std::uint64_t generation(const std::string& module) {
        const auto all = server().modules();
        const auto at = std::ranges::find_if(
            all, [&](const auto& m) { return m.name == module && m.state != "draining" && m.state != "pinned"; });
        return at == all.end() ? 0 : at->generation;
    }
    std::string ask(const std::string& attribute, play::Client& who) {
        who.send("<iq type='get' to='localhost' id='q'><query xmlns='urn:tambo:test:counter'/></iq>");
        const auto answer = who.receive();
        const auto* query = answer.child("query");
        const auto* value = query != nullptr ? query->attribute(attribute) : nullptr;
        return value != nullptr ? *value : std::string{};
    }
    std::string ask(const std::string& attribute) { return ask(attribute, romeo_); }

    const fs::path folder_ = fs::temp_directory_path() / ("tambo-together-" + std::to_string(::getpid()));
    std::unique_ptr<play::Stage> stage_;
    play::Client romeo_{"romeo", "r", "localhost"};
};

TEST_F(Transactions, several_modules_go_together) {
    ASSERT_EQ(ask("version"), "1");
    build("counter_v2");
    const auto report = server().reload_together({"ping", "counter", "roster"});
    ASSERT_TRUE(report.done) << report.step << ": " << report.reason;
    EXPECT_EQ(report.module, "ping, counter, roster");
    ASSERT_EQ(report.modules.size(), 3U);
    for (const auto& m : report.modules) {
        EXPECT_EQ(m.generation, generation(m.module)) << m.module;
        EXPECT_EQ(m.old_image, "unmapped") << m.module;
    }
    EXPECT_EQ(ask("version"), "2");
}

TEST_F(Transactions, one_that_is_refused_keeps_all_of_them) {
    const auto before = generation("ping");
    build("throws_in_load");
    const auto report = server().reload_together({"ping", "counter"});
    EXPECT_FALSE(report.done);
    EXPECT_EQ(report.step, "meet");
    EXPECT_EQ(report.reason.find("module counter: "), 0U) << report.reason;
    EXPECT_EQ(generation("ping"), before);
    EXPECT_EQ(ask("version"), "1");
    EXPECT_FALSE(server().reload_together({"ping", "nobody"}).done);
    EXPECT_EQ(generation("ping"), before);
}

TEST_F(Transactions, only_what_has_changed_is_swapped) {
    EXPECT_TRUE(server().reload_changed().modules.empty());
    build("counter_v2");
    const auto before = generation("ping");
    const auto report = server().reload_changed();
    ASSERT_TRUE(report.done) << report.reason;
    ASSERT_EQ(report.modules.size(), 1U);
    EXPECT_EQ(report.modules.front().module, "counter");
    EXPECT_EQ(generation("ping"), before);
    EXPECT_TRUE(server().reload_changed().modules.empty());
}

TEST_F(Transactions, everything_is_swapped_at_once) {
    ASSERT_EQ(ask("count"), "1");
    const auto report = server().reload_all();
    ASSERT_TRUE(report.done) << report.step << ": " << report.reason;
    EXPECT_EQ(report.modules.size(), play::all_modules().size() + 4);   // counter, sticky, the store, the accounts
    for (const auto& m : report.modules) EXPECT_EQ(m.old_image, "unmapped") << m.module;
    EXPECT_EQ(ask("own"), "2") << "the session and its slot";
    play::Client late{"juliet", "late", "localhost"};
    late.connect(stage_->connect(), {});   // store_memory still knows her
    EXPECT_EQ(ask("own", late), "1");
}

TEST_F(Transactions, the_report_counts_slots_and_state) {
    play::Client other{"juliet", "other", "localhost"};
    other.connect(stage_->connect(), {});
    ask("own");
    ask("own", other);
    const auto report = server().reload("counter");
    ASSERT_EQ(report.modules.size(), 1U) << report.reason;
    EXPECT_EQ(report.modules.front().slots, 2U);
    EXPECT_EQ(report.modules.front().state_bytes, 2U) << "a digit on each shard";
    EXPECT_GE(report.meet_ms, report.pause_ms);
}

TEST_F(Transactions, a_shard_that_does_not_come_is_named_and_holds_nobody_for_long) {
    romeo_.send("<iq type='get' to='localhost' id='s'><query xmlns='urn:tambo:test:sticky'/></iq>");
    while (!fs::exists(gate().string() + ".stuck")) std::this_thread::yield();
    const auto before = generation("ping");
    const auto report = server().reload("ping");
    EXPECT_FALSE(report.done);
    EXPECT_EQ(report.step, "meet");
    EXPECT_NE(report.reason.find("it is in module sticky"), std::string::npos) << report.reason;
    open_gate();
    EXPECT_EQ(*romeo_.receive().attribute("type"), "result");
    EXPECT_EQ(generation("ping"), before);
    EXPECT_TRUE(server().reload("ping").done);
}

TEST_F(Transactions, old_generations_are_kept_for_their_tasks_but_not_without_end) {
    const auto wait = [&] {
        romeo_.send("<iq type='get' to='localhost' id='w'><query xmlns='urn:tambo:test:counter' wait='3600'/></iq>");
        romeo_.sync();
        return server().reload("counter");
    };
    const auto alive = [&] {
        const auto all = server().modules();
        return std::ranges::count(all, "counter", &tambo::ModuleInfo::name);
    };
    const auto second = wait();
    ASSERT_TRUE(second.done) << second.reason;
    EXPECT_EQ(second.modules.front().old_image, "draining: 1 task");
    for (int i = 2; i <= 16; ++i) {
        ASSERT_EQ(alive(), i);
        ASSERT_TRUE(wait().done);
    }
    EXPECT_EQ(alive(), 17);
    ASSERT_TRUE(wait().done);
    EXPECT_EQ(alive(), 17) << "the oldest was ended";
    EXPECT_EQ(*romeo_.receive().attribute("type"), "error") << "and who waited for it was told";
}

}   // namespace
