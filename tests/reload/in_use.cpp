// Everything that a module can have under way, with the module swapped meanwhile: what was armed rings in the new
// version, what was asked is answered by the old one, what was accepted is kept.
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tambo/bytes.hpp>
#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

const fs::path villains{TAMBO_BINARY_DIR "/villains"};
constexpr unsigned shards = 2;

class InUse : public testing::Test {
protected:
    InUse() {
        play::Cast cast;
        cast.modules = {"sasl", "bind", "roster", "presence", "ping", "disco", "adhoc", "register", "clockwork"};
        cast.folders = {villains};
        cast.threads = shards;
        cast.settings = {{"server", "plugins", "store_sqlite, auth_store"}};
        stage_ = play::in_process(cast);
        stage_->add_user("romeo", "secret");
        romeo_.connect(stage_->connect(), {});
    }

    void swap(const std::string& module, const fs::path& file = {}) {
        const auto report =
            file.empty() ? stage_->server()->reload(module) : stage_->server()->reload(module, villains / file);
        ASSERT_TRUE(report.done) << module << ": " << report.step << ": " << report.reason;
    }
    double ticks() {
        for (const auto& f : stage_->server()->stats().figures)
            if (f.module == "clockwork" && f.name == "ticks_total") return f.value;
        return -1;
    }
    void ask(const std::string& id, const std::string& type, const std::string& what) {
        romeo_.send("<iq type='" + type + "' id='" + id + "' to='localhost'><" + what +
                    " xmlns='urn:tambo:test:clockwork'/></iq>");
    }
    static std::string text(const play::Node* node) { return node != nullptr ? node->text : "nothing"; }

    std::unique_ptr<play::Stage> stage_;
    play::Client romeo_{"romeo", "r", "localhost"};
};

TEST_F(InUse, a_timer_that_was_armed_before_rings_in_the_new_version) {
    ask("w", "set", "wind after='10'");
    EXPECT_EQ(*romeo_.receive().attribute("type"), "result");
    stage_->pass(seconds{5});
    swap("clockwork", "clockwork_v2.so");
    stage_->pass(seconds{4});
    romeo_.sync();
    EXPECT_FALSE(romeo_.poll_inbox()) << "too early";
    stage_->pass(seconds{1});
    EXPECT_EQ(text(romeo_.receive().child("body")), "version 2");
    stage_->pass(seconds{60});
    romeo_.sync();
    EXPECT_FALSE(romeo_.poll_inbox()) << "it rings twice";
}

TEST_F(InUse, ticks_go_on_in_their_time_and_are_counted_on) {
    const auto before = ticks();
    for (int half = 0; half < 20; ++half) {
        stage_->pass(milliseconds{500});
        swap("clockwork");
    }
    EXPECT_EQ(ticks() - before, 10.0 * shards);
    swap("clockwork", "clockwork_v2.so");
    stage_->pass(seconds{3});
    EXPECT_EQ(ticks() - before, 13.0 * shards);
}

TEST_F(InUse, a_command_that_was_given_is_answered_by_the_version_that_took_it) {
    romeo_.send(
        "<iq type='set' id='c' to='localhost'><command xmlns='http://jabber.org/protocol/commands' "
        "node='clockwork-strike' action='execute'/></iq>");
    romeo_.sync();
    swap("clockwork", "clockwork_v2.so");
    swap("adhoc");
    stage_->pass(seconds{10});
    const auto answer = romeo_.receive();
    const auto* command = answer.child("command");
    ASSERT_NE(command, nullptr) << answer.str();
    EXPECT_EQ(text(command->child("note")), "version 1");
}

TEST_F(InUse, what_waits_for_the_store_is_answered_and_kept_over_a_swap_of_the_driver) {
    constexpr int rows = 400, swaps = 8;
    std::set<std::string> open;
    const auto ask_all = [&](const std::string& type, const std::string& what) {
        for (int i = 0; i < rows; ++i) {
            if (i % (rows / swaps) == 0) swap("store_sqlite");
            const auto id = "row" + std::to_string(i);
            ask(id, type, what + " key='" + std::to_string(i) + "'");
            open.insert(id);
        }
        swap("store_sqlite");
    };
    ask_all("set", "keep");
    for (int i = 0; i < rows; ++i) {
        const auto answer = romeo_.receive();
        ASSERT_EQ(*answer.attribute("type"), "result") << answer.str();
        EXPECT_EQ(open.erase(*answer.attribute("id")), 1U) << "answered twice";
    }
    ask_all("get", "tell");
    for (int i = 0; i < rows; ++i) {
        const auto answer = romeo_.receive();
        const auto id = *answer.attribute("id");
        EXPECT_EQ(text(answer.child("value")), "value of " + id.substr(3)) << answer.str();
        EXPECT_EQ(open.erase(id), 1U) << "answered twice";
    }
}

TEST_F(InUse, log_ins_that_wait_for_their_look_up_succeed_over_a_swap_of_the_accounts) {
    constexpr int crowd = 60;
    const auto login =
        std::string{
            "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"} +
        tambo::base64(std::string_view{"\0romeo\0secret", 13}) + "</auth>";
    std::vector<std::unique_ptr<play::Wire>> wires;
    for (int i = 0; i < crowd; ++i) {
        wires.push_back(stage_->connect());
        wires.back()->write(login);
        if (i % 5 == 0) swap("auth_store");
        if (i % 7 == 0) swap("sasl");
    }
    for (auto& wire : wires) {
        std::string came;
        while (came.find("<success") == std::string::npos) {
            const auto more = wire->read(play::Client::patience);
            ASSERT_FALSE(more.empty()) << "dropped: " << came;
            came += more;
            if (came.find("<failure") != std::string::npos) {
                ASSERT_NE(came.find("<temporary-auth-failure"), std::string::npos) << came;
                break;
            }
        }
    }
}

}   // namespace
