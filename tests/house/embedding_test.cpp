// What man tambo-embed(3) promises to a program that carries a server inside.
#include "embedding.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace embedding;

// --- modules of the host --------------------------------------------------------------------------------------------

/// Hears what is said, and on which shard.
class Audit final : public Module {
public:
    explicit Audit(Diary& diary) : diary_(diary) {}
    void wire(Wiring& w) override { w.on<&Audit::heard>(Event::deliver, this); }

private:
    void heard(Account& account, Stanza& stanza) {
        if (stanza.is_message())
            diary_.write(*mark_ + std::string{account.jid().local()} + " hears " + std::string{stanza.body()});
    }
    Diary& diary_;
    Option<std::string> mark_{"mark", "", "what each line begins with"};
};

class HostModules : public Embedding {
protected:
    Server::Options audited() {
        Server::Options options;
        options.modules.push_back({"audit", "1.0", [this] {
                                       ++made;
                                       return std::make_unique<Audit>(diary);
                                   }});
        return options;
    }
    void TearDown() override { server_.reset(); }   // before what its modules write into
    Diary diary;
    std::atomic<int> made{0};
};

TEST_F(HostModules, one_is_made_for_each_shard_and_hears_like_any_other) {
    start(audited(), [](Config& c) { c.set("module audit", "mark", "*"); });
    EXPECT_EQ(made, 2);
    Client romeo{server(), jid("romeo@verona.lit")};
    Client juliet{server(), jid("juliet@verona.lit")};
    ASSERT_TRUE(romeo.ready() && juliet.ready());
    romeo.send(message("juliet@verona.lit", "She speaks"));
    juliet.send(message("romeo@verona.lit", "Ay me"));
    EXPECT_TRUE(diary.reads("*juliet hears She speaks"));
    EXPECT_TRUE(diary.reads("*romeo hears Ay me"));
}

TEST_F(HostModules, they_are_listed_as_built_in_and_stay) {
    start(audited());
    const auto all = server().modules();
    const auto audit = std::ranges::find(all, "audit", &ModuleInfo::name);
    ASSERT_NE(audit, all.end());
    EXPECT_EQ(audit->state, "built in");
    EXPECT_EQ(audit->version, "1.0");
    EXPECT_EQ(audit->file, "");
    for (const auto& report : {server().reload("audit"), server().unload("audit")}) {
        EXPECT_FALSE(report.done);
        EXPECT_NE(report.reason.find("part of the program"), std::string::npos) << report.reason;
    }
    EXPECT_EQ(server().load("audit").reason, "is loaded already; use reload");
    EXPECT_EQ(server().modules().size(), all.size());
}

TEST_F(HostModules, their_options_are_judged_like_those_of_others) {
    try {
        start(audited(), [](Config& c) { c.set("module audit", "marc", "*"); });
        FAIL() << "an unknown key was taken";
    } catch (const ConfigError& error) {
        EXPECT_NE(std::string{error.what()}.find("did you mean mark?"), std::string::npos) << error.what();
    }
}

TEST_F(HostModules, a_module_that_cannot_be_made_ends_the_start_with_its_sentence) {
    Server::Options options;
    options.modules.push_back(
        {"broken", "1.0", []() -> std::unique_ptr<Module> { throw std::runtime_error{"no ink"}; }});
    try {
        start(std::move(options));
        FAIL() << "it started";
    } catch (const std::exception& error) {
        EXPECT_NE(std::string{error.what()}.find("no ink"), std::string::npos) << error.what();
    }
}

/// The host's own people: whoever is in its list exists.
class OwnPeople final : public Module, public AuthProvider {
public:
    explicit OwnPeople(std::set<std::string> names) : names_(std::move(names)) {}
    void wire(Wiring& w) override { w.provide(static_cast<AuthProvider*>(this)); }
    Task<Result<Credentials>> look_up(Jid bare) override {
        if (!names_.contains(std::string{bare.local()})) co_return fail(Condition::item_not_found);
        co_return derive_credentials("of " + std::string{bare.local()}, 1);
    }
    Task<Result<bool>> exists(Jid bare) override { co_return names_.contains(std::string{bare.local()}); }
    Task<Result<Nothing>> set(Jid, Credentials, bool) override { co_return fail(Condition::not_allowed); }
    Task<Result<Nothing>> remove(Jid) override { co_return fail(Condition::not_allowed); }
    Task<Result<std::vector<std::string>>> accounts(std::string, std::size_t) override {
        co_return std::vector<std::string>{};
    }

private:
    const std::set<std::string> names_;
};

TEST_F(HostModules, the_host_says_who_exists_and_what_their_passwords_are) {
    auto config = configuration(folder_);
    config.set("server", "plugins", "store_memory").module("sasl").module("bind");
    Server::Options options;
    options.modules.push_back(
        {"own_people", "1.0", [] { return std::make_unique<OwnPeople>(std::set<std::string>{"mercutio"}); }});
    Server server{std::move(config), std::move(options)};
    server.start();
    Client mercutio{server, jid("mercutio@verona.lit")};
    EXPECT_TRUE(mercutio.ready().has_value());
    Client stranger{server, jid("paris@verona.lit")};
    EXPECT_EQ(stranger.ready().error().condition, Condition::item_not_found);

    auto wire = server.connect_in_process();
    const auto secret = base64(std::string_view{"\0mercutio\0of mercutio", 21});
    ASSERT_TRUE(
        wire.write_all("<stream:stream to='verona.lit' version='1.0' xmlns='jabber:client' "
                       "xmlns:stream='http://etherx.jabber.org/streams'>"
                       "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
                           secret + "</auth>",
                       patience));
    std::string said;
    while (said.find("<success") == std::string::npos && wire.wait(patience) && !wire.at_end()) said += wire.read();
    EXPECT_NE(said.find("<success"), std::string::npos) << said;
}

// --- clients in this process ----------------------------------------------------------------------------------------

class InProcess : public Embedding {};

TEST_F(InProcess, two_clients_chat_without_passwords) {
    start();
    Diary hers;
    Client juliet{server(), jid("juliet@verona.lit/balcony"), telling(hers)};
    Client romeo{server(), jid("romeo@verona.lit/orchard")};
    EXPECT_EQ(juliet.ready().value().text(), "juliet@verona.lit/balcony");
    EXPECT_TRUE(hers.reads("ready juliet@verona.lit/balcony"));
    romeo.send(message("juliet@verona.lit/balcony", "But soft"));   // waits until romeo is logged in
    EXPECT_TRUE(hers.reads("romeo@verona.lit/orchard says But soft"));
}

TEST_F(InProcess, the_server_chooses_a_resource_if_none_is_named) {
    start();
    Client romeo{server(), jid("romeo@verona.lit")};
    const auto full = romeo.ready();
    ASSERT_TRUE(full.has_value());
    EXPECT_FALSE(full->resource().empty());
}

TEST_F(InProcess, questions_get_their_answers) {
    start();
    Client romeo{server(), jid("romeo@verona.lit")};
    auto ping = Stanza::iq({}, jid("verona.lit"), "get", "");
    ping.set_inner("<ping xmlns='urn:xmpp:ping'/>");
    const auto pong = romeo.ask(ping);
    ASSERT_TRUE(pong.has_value()) << pong.error().text;
    EXPECT_EQ(pong->type(), "result");
    auto nonsense = Stanza::iq({}, jid("verona.lit"), "get", "");
    nonsense.set_inner("<nonsense xmlns='urn:example:nonsense'/>");
    const auto refused = romeo.ask(nonsense);
    ASSERT_TRUE(refused.has_value());
    EXPECT_TRUE(refused->is_error());
}

TEST_F(InProcess, a_question_to_a_client_that_does_not_listen_is_refused) {
    start();
    Client romeo{server(), jid("romeo@verona.lit/orchard")};
    Client juliet{server(), jid("juliet@verona.lit")};
    ASSERT_TRUE(romeo.ready());
    auto question = Stanza::iq({}, jid("romeo@verona.lit/orchard"), "get", "");
    question.set_inner("<ping xmlns='urn:xmpp:ping'/>");
    const auto answer = juliet.ask(question);
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(answer->has("error", ns::client) || answer->is_error());
}

TEST_F(InProcess, presence_is_seen_by_other_resources) {
    start();
    Diary diary;
    Client balcony{server(), jid("juliet@verona.lit/balcony"), telling(diary)};
    balcony.presence();
    {
        Client garden{server(), jid("juliet@verona.lit/garden")};
        garden.presence({}, "<show>away</show>");
        EXPECT_TRUE(diary.reads("juliet@verona.lit/garden is "));
    }
    EXPECT_TRUE(diary.reads("juliet@verona.lit/garden is unavailable"));   // the destructor leaves politely
}

TEST_F(InProcess, an_account_that_does_not_exist_is_a_clear_error) {
    start();
    Diary diary;
    Client nobody{server(), jid("nobody@verona.lit"), telling(diary)};
    const auto refused = nobody.ready();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().condition, Condition::item_not_found);
    EXPECT_EQ(refused.error().text, "there is no account nobody@verona.lit");
    EXPECT_TRUE(diary.reads("ended: there is no account nobody@verona.lit"));
    EXPECT_EQ(nobody.send(message("romeo@verona.lit", "hm")).error().condition, Condition::service_unavailable);
    EXPECT_THROW((Client{server(), jid("romeo@elsewhere.lit")}), std::runtime_error);
    EXPECT_THROW((Client{server(), jid("verona.lit")}), std::runtime_error);
}

TEST_F(InProcess, limits_are_those_of_any_client) {
    start({}, [](Config& c) { c.set("limits", "stanza_bytes", "10K"); });
    Diary diary;
    Client romeo{server(), jid("romeo@verona.lit"), telling(diary)};
    romeo.send(message("juliet@verona.lit", std::string(11'000, 'o')));
    EXPECT_TRUE(diary.reads("ended: policy-violation: stanza is too long")) << testing::PrintToString(diary.lines());
}

TEST_F(InProcess, a_resource_that_is_taken_over_ends_the_first_client) {
    start();
    Diary diary;
    Client first{server(), jid("romeo@verona.lit/orchard"), telling(diary)};
    ASSERT_TRUE(first.ready());
    Client second{server(), jid("romeo@verona.lit/orchard")};
    ASSERT_TRUE(second.ready());
    EXPECT_TRUE(diary.reads("ended: conflict: replaced by a new connection"));
}

TEST_F(InProcess, a_client_may_destroy_itself_in_its_callback) {
    start();
    Diary diary;
    std::unique_ptr<Client> juliet;
    Client::Callbacks callbacks;
    callbacks.on_stanza = [&](const Stanza& stanza) {
        const std::string body{stanza.body()};
        juliet.reset();
        diary.write("gone after " + body);
    };
    juliet = std::make_unique<Client>(server(), jid("juliet@verona.lit/balcony"), std::move(callbacks));
    ASSERT_TRUE(juliet->ready());
    Client romeo{server(), jid("romeo@verona.lit")};
    romeo.send(message("juliet@verona.lit/balcony", "good night"));
    EXPECT_TRUE(diary.reads("gone after good night"));
}

TEST_F(InProcess, a_client_may_answer_in_its_callback) {
    start();
    Diary diary;
    std::atomic<Client*> echo{nullptr};
    Client::Callbacks callbacks;
    callbacks.on_stanza = [&](const Stanza& s) {
        if (s.is_message()) echo.load()->send(message(std::string{s.from().text()}, "again " + std::string{s.body()}));
    };
    Client juliet{server(), jid("juliet@verona.lit/balcony"), callbacks};
    echo = &juliet;
    ASSERT_TRUE(juliet.ready());
    Client romeo{server(), jid("romeo@verona.lit/orchard"), telling(diary)};
    romeo.send(message("juliet@verona.lit/balcony", "hello"));
    EXPECT_TRUE(diary.reads("juliet@verona.lit/balcony says again hello"));
}

TEST_F(InProcess, clients_outlive_the_server) {
    start();
    Diary diary;
    Client romeo{server(), jid("romeo@verona.lit"), telling(diary)};
    ASSERT_TRUE(romeo.ready());
    auto pipe = server().connect_in_process();
    server_.reset();
    EXPECT_TRUE(diary.reads("ended: system-shutdown"));
    EXPECT_FALSE(romeo.send(message("juliet@verona.lit", "too late")).has_value());
    EXPECT_TRUE(pipe.wait(patience));
    pipe.read();
    EXPECT_TRUE(pipe.at_end());
    EXPECT_EQ(pipe.write("<"), 0U);
}

/// A flood for one who never reads: what waits is bounded, then it is dropped; the other goes on.
TEST_F(InProcess, who_does_not_read_is_dropped_when_its_queue_is_full) {
    start({}, [](Config& c) { c.module("sasl").module("bind").set("limits", "send_queue", "64K"); });
    auto deaf = server().connect_in_process();
    constexpr std::string_view header =
        "<stream:stream to='verona.lit' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>";
    const auto secret = base64(std::string_view{"\0juliet\0secret", 14});
    ASSERT_TRUE(deaf.write_all(std::string{header} +
                                   "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + secret +
                                   "</auth>" + std::string{header} +
                                   "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                                   "<resource>deaf</resource></bind></iq>",
                               patience));
    std::string said;
    while (said.find("<jid>") == std::string::npos && deaf.wait(patience) && !deaf.at_end()) said += deaf.read();
    ASSERT_NE(said.find("juliet@verona.lit/deaf"), std::string::npos) << said;

    Client romeo{server(), jid("romeo@verona.lit")};
    auto ping = Stanza::iq({}, jid("verona.lit"), "get", "");
    ping.set_inner("<ping xmlns='urn:xmpp:ping'/>");
    const std::string lines(1000, 'w');
    for (int i = 0; i < 1000 && !deaf.is_closed(); ++i) {
        ASSERT_TRUE(romeo.send(message("juliet@verona.lit/deaf", lines)).has_value());
        ASSERT_TRUE(romeo.ask(ping).has_value());
        server().settle();
    }
    EXPECT_TRUE(deaf.is_closed());
    EXPECT_LE(deaf.read().size(), std::size_t{64} << 10);
    EXPECT_TRUE(romeo.ask(ping).has_value());
}

// --- the program runs the loop itself -------------------------------------------------------------------------------

class OwnLoop : public Embedding {
protected:
    static Server::Options without_threads() {
        Server::Options options;
        options.own_threads = false;
        return options;
    }
    /// Polls until that was written.
    bool comes(const Diary& diary, const std::string& line) {
        const auto until = std::chrono::steady_clock::now() + patience;
        while (std::chrono::steady_clock::now() < until) {
            const auto lines = diary.lines();
            if (std::ranges::find(lines, line) != lines.end()) return true;
            server().poll(100ms);
        }
        return false;
    }
};

// The watch has a thread, which waits for the loop, which asks for modules and keeps house meanwhile.
TEST_F(OwnLoop, goes_on_while_modules_are_watched) {
    const auto own = folder_.path() / "modules";
    const std::filesystem::path built{TAMBO_BINARY_DIR "/modules/ping.so"};
    std::filesystem::create_directory(own);
    std::filesystem::copy(built, own);
    std::atomic<int> reloads{0};
    auto options = without_threads();
    options.log = [&](Level, std::string_view line) {
        if (line.starts_with("watch: ping reloaded")) ++reloads;
    };
    start(std::move(options), [&](Config& config) {
        config.set("server", "module_path",
                   own.string() + ", " TAMBO_BINARY_DIR "/modules, " TAMBO_BINARY_DIR "/plugins");
        config.set("kernel", "watch", "on");
    });
    constexpr int wanted = 10;
    const auto until = std::chrono::steady_clock::now() + patience;
    for (int written = -1; reloads < wanted && std::chrono::steady_clock::now() < until; server().poll(1ms)) {
        if (reloads != written) {
            written = reloads;
            std::filesystem::copy_file(built, own / "ping.so", std::filesystem::copy_options::overwrite_existing);
        }
        EXPECT_FALSE(server().modules().empty());
    }
    EXPECT_GE(reloads, wanted);
}

TEST_F(OwnLoop, everything_happens_in_poll_and_on_its_thread) {
    std::set<std::thread::id> threads;
    Server::Options options = without_threads();
    Diary heard;
    options.modules.push_back({"audit", "1.0", [&] { return std::make_unique<Audit>(heard); }});
    start(std::move(options));   // add_user() waits for the store, and polls meanwhile
    Diary diary;
    auto callbacks = telling(diary);
    callbacks.on_ready = [&](const Jid&) { threads.insert(std::this_thread::get_id()); };
    Client juliet{server(), jid("juliet@verona.lit/balcony"), callbacks};
    Client romeo{server(), jid("romeo@verona.lit/orchard"), callbacks};
    romeo.send(message("juliet@verona.lit/balcony", "hello"));
    EXPECT_TRUE(diary.lines().empty());   // nobody has polled yet
    EXPECT_TRUE(comes(diary, "romeo@verona.lit/orchard says hello"));
    EXPECT_TRUE(comes(heard, "juliet hears hello"));
    EXPECT_EQ(threads, std::set{std::this_thread::get_id()});
    server_.reset();   // before what its module writes into
}

TEST_F(OwnLoop, what_waits_polls_meanwhile) {
    start(without_threads());
    Client romeo{server(), jid("romeo@verona.lit/orchard")};
    ASSERT_TRUE(romeo.ready().has_value());
    auto ping = Stanza::iq({}, jid("verona.lit"), "get", "");
    ping.set_inner("<ping xmlns='urn:xmpp:ping'/>");
    EXPECT_TRUE(romeo.ask(ping).has_value());
    EXPECT_TRUE(server().reload("ping").done);
    EXPECT_TRUE(server().unload("ping").done);
    EXPECT_TRUE(server().load("ping").done);
    EXPECT_EQ(server().sessions().size(), 1U);
    EXPECT_EQ(server().users("", 10).value().size(), 2U);
    EXPECT_FALSE(server().add_user("romeo@verona.lit", "again").has_value());
    EXPECT_TRUE(server().set_password("romeo@verona.lit", "other").has_value());
    EXPECT_TRUE(server().ping(patience).has_value());
    server().settle();
    EXPECT_EQ(server().kick("romeo@verona.lit", "enough").value(), 1U);
    EXPECT_TRUE(server().remove_user("juliet@verona.lit").has_value());
    auto pipe = server().connect_in_process();
    ASSERT_TRUE(
        pipe.write_all("<stream:stream to='verona.lit' version='1.0' xmlns='jabber:client' "
                       "xmlns:stream='http://etherx.jabber.org/streams'>",
                       patience));
    EXPECT_TRUE(pipe.wait(patience));
    EXPECT_FALSE(pipe.read().empty());
}

TEST_F(OwnLoop, another_thread_may_ask_while_this_one_polls) {
    start(without_threads());
    std::atomic<bool> is_done{false};
    std::thread other{[&] {
        EXPECT_TRUE(server().add_user("paris@verona.lit", "secret").has_value());
        EXPECT_TRUE(server().reload("ping").done);
        is_done = true;
        server().stop();   // wakes poll(), too
    }};
    while (!is_done) server().poll(patience);
    other.join();
    server().wait();
}

TEST_F(OwnLoop, stop_in_a_callback_ends_run) {
    start(without_threads());
    Client::Callbacks callbacks;
    callbacks.on_ready = [&](const Jid&) { server().stop(); };
    Client romeo{server(), jid("romeo@verona.lit"), std::move(callbacks)};
    server().wait();
    EXPECT_EQ(server().poll(0ms), 0U);
}

TEST_F(OwnLoop, timers_run_in_poll) {
    auto options = without_threads();
    start(std::move(options), [](Config& c) { c.set("limits", "negotiation_time", "1s"); });
    auto silent = server().connect_in_process();
    while (!silent.at_end()) {
        server().poll(patience);   // wakes for the deadline by itself
        silent.read();
    }
}

}   // namespace
