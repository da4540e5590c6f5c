// A stage on which somebody is moody.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace fault {

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What moody says.
struct Answer {
    std::string type, version, count, shard, condition;
};

class Faults : public testing::Test {
protected:
    static constexpr unsigned limit = 10;   // [kernel] faults, as it is by default
    static inline const std::filesystem::path modules{TAMBO_BINARY_DIR "/moody"};

    void raise(std::vector<play::Setting> settings = {}, unsigned threads = 1) {
        play::Cast cast;
        cast.modules = play::all_modules();
        cast.modules.emplace_back("moody");
        cast.folders = {modules};
        cast.threads = threads;
        cast.settings = std::move(settings);
        stage_ = play::in_process(cast);
        enter(romeo_);
        enter(juliet_);
    }
    void enter(play::Client& who) {
        stage_->add_user(who.user(), "secret");
        who.connect(stage_->connect(), {.priority = {}, .presence = false, .roster = false});
    }

    tambo::Server& server() { return *stage_->server(); }
    tambo::SwapReport swap(const std::string& file) { return server().reload("moody", modules / (file + ".so")); }

    Answer ask(play::Client& who, const std::string& what = {}) {
        who.send("<iq type='get' to='localhost' id='q'><query xmlns='urn:tambo:test:moody' do='" + what + "'/></iq>");
        const auto answer = who.receive();
        const auto get = [](const play::Node* node, const char* name) {
            const auto* value = node != nullptr ? node->attribute(name) : nullptr;
            return value != nullptr ? *value : std::string{};
        };
        const auto* query = answer.child("query");
        const auto* error = answer.child("error");
        return {get(&answer, "type"), get(query, "version"), get(query, "count"), get(query, "shard"),
                error != nullptr && !error->children.empty() ? error->children.front().name : ""};
    }
    Answer ask() { return ask(romeo_); }
    void count_to(unsigned n) {
        for (unsigned i = 0; i < n; ++i) ask(romeo_, "count");
    }
    /// Each costs its own stanza.
    void fail(unsigned times, play::Client& who) {
        for (unsigned i = 0; i < times; ++i) EXPECT_EQ(ask(who, "throw").condition, "internal-server-error") << i;
        stage_->settle();
    }
    void fail(unsigned times) { fail(times, romeo_); }

    tambo::ModuleInfo info() {
        for (const auto& m : server().modules())
            if (m.name == "moody" && m.state != "draining") return m;
        return {};
    }
    std::string state() { return info().state; }
    std::string history() {
        std::string text;
        for (const auto& event : info().history) text += event.what + '\n';
        return text;
    }
    /// No back-off is longer, however the dice fall.
    void await_rebuild() {
        for (int seconds = 0; seconds < 61 && state() == "rebuilding"; ++seconds) stage_->pass(std::chrono::seconds{1});
    }
    bool discovers(play::Client& who) {
        who.send("<iq type='get' to='localhost' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
        const auto answer = who.receive();
        for (const auto& child : answer.child("query")->children)
            if (const auto* space = child.attribute("var"); space != nullptr && *space == "urn:tambo:test:moody")
                return true;
        return false;
    }
    void everything_else_goes_on() {
        romeo_.send("<message to='juliet@localhost/j' type='chat'><body>But soft</body></message>");
        EXPECT_EQ(juliet_.receive().child("body")->text, "But soft");
        juliet_.send("<iq type='get' to='localhost' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
        EXPECT_EQ(*juliet_.receive().attribute("type"), "result");
    }

    std::unique_ptr<play::Stage> stage_;
    play::Client romeo_{"romeo", "r", "localhost"}, juliet_{"juliet", "j", "localhost"};
};

}   // namespace fault
