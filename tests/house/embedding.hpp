// What the tests of an embedded server share.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tambo/client.hpp>
#include <tambo/server.hpp>
#include <tambo/tambo.hpp>

#include "folder.hpp"

namespace embedding {

using namespace tambo;
using namespace std::chrono_literals;

inline constexpr Duration patience = 60s;   // for a server that never answers, not for a slow one
inline constexpr std::string_view domain = "verona.lit";

inline Jid jid(const std::string& text) { return Jid::parse(text).value(); }

inline Stanza message(const std::string& to, const std::string& body) {
    auto m = Stanza::message({}, jid(to), "chat");
    m.set_inner("<body>" + body + "</body>");
    return m;
}

/// What happened, in words; waited for from another thread.
class Diary {
public:
    void write(std::string line) {
        const std::lock_guard guard{lock_};
        lines_.push_back(std::move(line));
        changed_.notify_all();
    }
    /// True when that was written, however long ago.
    bool reads(const std::string& line) const {
        std::unique_lock lock{lock_};
        return changed_.wait_for(lock, patience, [&] { return std::ranges::find(lines_, line) != lines_.end(); });
    }
    std::vector<std::string> lines() const {
        const std::lock_guard guard{lock_};
        return lines_;
    }

private:
    mutable std::mutex lock_;
    mutable std::condition_variable changed_;
    std::vector<std::string> lines_;
};

inline Config configuration(const Folder& folder) {
    Config config;
    config.domain(domain).listen("127.0.0.1", 0).data(folder.path());
    config.set("server", "threads", "2");
    config.set("server", "module_path", TAMBO_BINARY_DIR "/modules, " TAMBO_BINARY_DIR "/plugins");
    config.set("server", "plugins", "store_memory, auth_store");
    for (const auto* module : {"ping", "roster", "presence"}) config.module(module);
    config.set("log", "target", (folder.path() / "log").string());
    return config;
}

/// A server with romeo and juliet in it.
class Embedding : public testing::Test {
protected:
    void start(Server::Options options = {}, const std::function<void(Config&)>& more = {}) {
        auto config = configuration(folder_);
        if (more) more(config);
        server_ = std::make_unique<Server>(std::move(config), std::move(options));
        server_->start();
        for (const auto* user : {"romeo@verona.lit", "juliet@verona.lit"})
            ASSERT_TRUE(server_->add_user(user, "secret").has_value());
    }
    Server& server() { return *server_; }

    Client::Callbacks telling(Diary& diary) {
        Client::Callbacks callbacks;
        callbacks.on_ready = [&](const Jid& full) { diary.write("ready " + std::string{full.text()}); };
        callbacks.on_stanza = [&](const Stanza& s) {
            if (s.is_message()) diary.write(std::string{s.from().text()} + " says " + std::string{s.body()});
            if (s.is_presence()) diary.write(std::string{s.from().text()} + " is " + std::string{s.type()});
        };
        callbacks.on_end = [&](const std::string& why) { diary.write("ended: " + why); };
        return callbacks;
    }

    Folder folder_;
    std::unique_ptr<Server> server_;
};

}   // namespace embedding
