// How long a shard stands still while a module is swapped, and how long the whole swap takes: with many sessions that
// do nothing, and with shards that have more to do than they can.
//
// reload_bench [--sessions N] [--reloads N] [--threads N]
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <tambo/client.hpp>
#include <tambo/server.hpp>

#include "../house/folder.hpp"

namespace {

using namespace tambo;
namespace fs = std::filesystem;

constexpr std::size_t sessions_per_account = 10;
constexpr std::size_t talking_pairs = 200;

struct Wishes {
    std::vector<std::size_t> sessions{1000, 10000};
    std::size_t reloads = 500;
    unsigned threads = 2;
};

Config configuration(const fs::path& data, unsigned threads) {
    Config config;
    config.domain("localhost").listen("127.0.0.1", 0).data(data);
    config.set("server", "threads", std::to_string(threads));
    config.set("server", "module_path", TAMBO_BINARY_DIR "/modules, " TAMBO_BINARY_DIR "/plugins");
    config.set("server", "plugins", "store_memory, auth_store");
    for (const auto* module :
         {"starttls", "sasl", "bind", "stream_management", "blocking", "roster", "presence", "last_seen", "offline",
          "receipts", "vcard", "private", "carbons", "csi", "typing", "disco", "ping", "register", "version"})
        config.module(module);
    config.set("module register", "iterations", "1");
    config.set("limits", "sessions_per_account", "0");
    return config;
}

/// All logged in and available; the first of them talk when they are told to.
class Crowd {
public:
    Crowd(Server& server, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) {
            const auto account = "user" + std::to_string(i / sessions_per_account) + "@localhost";
            if (i % sessions_per_account == 0 && !server.add_user(account, "secret"))
                throw std::runtime_error{"no account"};
            Client::Callbacks callbacks;
            callbacks.on_stanza = [this, i](const Stanza& stanza) { answer(i, stanza); };
            clients_.push_back(std::make_unique<Client>(server, *Jid::parse(account + "/r" + std::to_string(i)),
                                                        std::move(callbacks)));
        }
        for (auto& client : clients_) {
            const auto jid = client->ready();
            if (!jid) throw std::runtime_error{jid.error().text};
            jids_.emplace_back(jid->text());
            (void)client->presence();
        }
        server.settle();
    }
    ~Crowd() { is_talking_ = false; }
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;

    void talk() {
        is_talking_ = true;
        for (std::size_t i = 0; i < std::min(2 * talking_pairs, clients_.size()); ++i) say(i);
    }
    void fall_silent() { is_talking_ = false; }
    std::uint64_t said() const noexcept { return said_; }

private:
    void answer(std::size_t i, const Stanza& stanza) {
        if (is_talking_ && stanza.is_message()) say(i);
    }
    void say(std::size_t i) {
        ++said_;
        (void)clients_[i]->send("<message type='chat' to='" + jids_[i ^ 1U] + "'><body>Good night</body></message>");
    }

    std::vector<std::string> jids_;
    std::atomic<bool> is_talking_{false};
    std::atomic<std::uint64_t> said_{0};
    std::vector<std::unique_ptr<Client>> clients_;
};

/// Milliseconds, sorted when they are shown.
class Figures {
public:
    void add(double ms) { all_.push_back(ms); }
    std::string show(std::string_view name) {
        std::ranges::sort(all_);
        const auto at = [this](double share) {
            return all_[std::min(all_.size() - 1, static_cast<std::size_t>(share * static_cast<double>(all_.size())))];
        };
        return fmt::format("  {:<12} p10 {:8.3f}  p50 {:8.3f}  p90 {:8.3f}  p99 {:8.3f}  max {:8.3f} ms\n", name,
                           at(0.1), at(0.5), at(0.9), at(0.99), all_.back());
    }

private:
    std::vector<double> all_;
};

void measure(Server& server, const Crowd& crowd, std::size_t reloads, std::string_view name) {
    Figures pause, prepare, whole;
    std::vector<std::string> names;
    for (const auto& m : server.modules()) names.push_back(m.name);
    const auto said = crowd.said();
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < reloads; ++i) {
        const auto start = std::chrono::steady_clock::now();
        const auto report = server.reload(names[i % names.size()]);
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
        if (!report.done) throw std::runtime_error{report.module + ": " + report.step + ": " + report.reason};
        pause.add(report.pause_ms);
        prepare.add(report.prepare_ms);
        whole.add(took.count());
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print("{}: {} reloads, {:.0f}/s; {:.0f} messages/s\n{}{}{}", name, reloads,
               static_cast<double>(reloads) / took.count(), static_cast<double>(crowd.said() - said) / took.count(),
               pause.show("pause"), prepare.show("prepare"), whole.show("whole"));
    std::fflush(stdout);
}

void run(std::size_t sessions, const Wishes& wishes) {
    const Folder folder;
    Server::Options options;
    options.log = [](Level, std::string_view) {};
    Server server{configuration(folder.path(), wishes.threads), std::move(options)};
    server.start();
    {
        Crowd crowd{server, sessions};
        measure(server, crowd, wishes.reloads, fmt::format("{} sessions, idle", sessions));
        crowd.talk();
        measure(server, crowd, wishes.reloads, fmt::format("{} sessions, saturated", sessions));
        crowd.fall_silent();
        server.settle();
    }
    server.stop();
    server.wait();
}

Wishes read_wishes(const std::vector<std::string_view>& words) {
    Wishes wishes;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        std::size_t n = 0;
        std::from_chars(words[i + 1].data(), words[i + 1].data() + words[i + 1].size(), n);
        if (words[i] == "--sessions") wishes.sessions = {n};
        if (words[i] == "--reloads") wishes.reloads = n;
        if (words[i] == "--threads") wishes.threads = static_cast<unsigned>(n);
    }
    return wishes;
}

}   // namespace

int main(int argc, char** argv) {
    try {
        const auto wishes = read_wishes({argv + 1, argv + argc});
        for (const auto sessions : wishes.sessions) run(sessions, wishes);
        return 0;
    } catch (const std::exception& e) {
        fmt::print(stderr, "reload_bench: {}\n", e.what());
        return 1;
    }
}
