// RFC 6121 §8.5: who gets a stanza, by its type and by what it is addressed to. A shard without threads, sockets or
// modules.
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "plugins/store_memory/driver.hpp"
#include "shard/shard.hpp"

namespace {

using namespace tambo;
namespace fs = std::filesystem;

class Router : public testing::Test {
protected:
    Router() : folder_(fs::temp_directory_path() / ("tambo-router-" + random_token(8))), kernel_(config(), quiet()) {
        kernel_.store.use([] { return memory::open(); });
        kernel_.shards.push_back(std::make_unique<Shard>(kernel_, 0));
        romeo_ = &load("romeo@localhost");
        juliet_ = &load("juliet@localhost");
        romeo_->set_exists(true);
        juliet_->set_exists(true);
        sender_ = &come(*juliet_, "balcony", 0);
    }
    ~Router() override {
        kernel_.pool.join();
        kernel_.shards.clear();
        fs::remove_all(folder_);
    }

    /// A session without a connection; what it is sent is kept, so that it can be looked at.
    LocalSession& come(LocalAccount& account, std::string_view resource, int priority) {
        auto& session = account.add_session(*account.jid().with_resource(resource));
        session.keep_sent(100);
        if (priority != absent) session.set_available(Stanza::presence(session.jid(), {}), priority);
        return session;
    }

    void route(Stanza stanza) {
        shard().turn([&] { shard().route(stanza); });
        shard().drain();
    }
    Stanza from_juliet(std::string_view xml) {
        auto stanza = Stanza::parse(xml);
        stanza->set_from(sender_->jid());
        return std::move(*stanza);
    }
    static std::vector<std::string> got(LocalSession& session) {
        std::vector<std::string> ids;
        for (const auto& stanza : session.take_kept())
            ids.push_back(std::string{stanza.id()} + (stanza.is_error() ? " error" : ""));
        return ids;
    }
    using Ids = std::vector<std::string>;

    Shard& shard() { return *kernel_.shards.front(); }
    LocalAccount& load(std::string_view bare) {
        auto& account = shard().account(*Jid::parse(bare));
        while (!account.is_loaded()) {
            kernel_.store.run([](StoreDriver&) {});
            shard().drain();
        }
        return account;
    }

    static constexpr int absent = -1000;
    LocalAccount* romeo_ = nullptr;
    LocalAccount* juliet_ = nullptr;
    LocalSession* sender_ = nullptr;

private:
    Config config() const { return Config{}.domain("localhost").data(folder_); }
    static Server::Options quiet() {
        Server::Options options;
        options.log = [](Level, std::string_view) {};
        options.manual_timers = true;
        return options;
    }
    const fs::path folder_;
    Kernel kernel_;
};

TEST_F(Router, gives_chat_for_a_bare_jid_to_every_resource_that_wants_it) {
    auto& garden = come(*romeo_, "garden", 0);
    auto& orchard = come(*romeo_, "orchard", 5);
    auto& grave = come(*romeo_, "grave", -1);
    auto& mute = come(*romeo_, "mute", absent);
    route(from_juliet("<message to='romeo@localhost' type='chat' id='m'><body>x</body></message>"));
    EXPECT_EQ(got(garden), Ids{"m"});
    EXPECT_EQ(got(orchard), Ids{"m"});
    EXPECT_EQ(got(grave), Ids{}) << "a negative priority wants no messages for the bare JID (§8.5.2.1.1)";
    EXPECT_EQ(got(mute), Ids{});
}

TEST_F(Router, gives_a_full_jid_to_that_resource_alone_whatever_its_priority) {
    auto& garden = come(*romeo_, "garden", 5);
    auto& grave = come(*romeo_, "grave", -1);
    route(from_juliet("<message to='romeo@localhost/grave' type='chat' id='m'><body>x</body></message>"));
    EXPECT_EQ(got(garden), Ids{});
    EXPECT_EQ(got(grave), Ids{"m"});
}

TEST_F(Router, treats_chat_for_a_resource_that_left_as_for_the_bare_jid) {
    auto& garden = come(*romeo_, "garden", 0);
    route(from_juliet("<message to='romeo@localhost/left' type='chat' id='chat'><body>x</body></message>"));
    route(from_juliet("<message to='romeo@localhost/left' type='headline' id='headline'><body>x</body></message>"));
    route(from_juliet("<message to='romeo@localhost/left' type='error' id='error'/>"));
    EXPECT_EQ(got(garden), Ids{"chat"});
    EXPECT_EQ(got(*sender_), Ids{}) << "headlines and errors vanish in silence (§8.5.3.2.1)";
}

TEST_F(Router, refuses_group_chat_for_an_account_and_messages_for_nobody) {
    come(*romeo_, "garden", 0);
    route(from_juliet("<message to='romeo@localhost' type='groupchat' id='group'><body>x</body></message>"));
    load("tybalt@localhost");
    route(from_juliet("<message to='tybalt@localhost' type='chat' id='nobody'><body>x</body></message>"));
    route(from_juliet("<message to='tybalt@localhost' type='error' id='never'/>"));
    EXPECT_EQ(got(*sender_), (Ids{"group error", "nobody error"}));
}

TEST_F(Router, bounces_what_nobody_takes_when_nobody_is_there) {
    come(*romeo_, "grave", -1);
    route(from_juliet("<message to='romeo@localhost' type='chat' id='m'><body>x</body></message>"));
    route(from_juliet("<message to='romeo@localhost' type='headline' id='h'><body>x</body></message>"));
    EXPECT_EQ(got(*sender_), Ids{"m error"});
}

TEST_F(Router, gives_presence_to_available_resources_and_never_bounces_it) {
    auto& garden = come(*romeo_, "garden", -5);
    auto& mute = come(*romeo_, "mute", absent);
    route(from_juliet("<presence to='romeo@localhost' id='bare'/>"));
    route(from_juliet("<presence to='romeo@localhost/mute' id='full'/>"));
    route(from_juliet("<presence to='romeo@localhost/left' id='left'/>"));
    EXPECT_EQ(got(garden), Ids{"bare"});
    EXPECT_EQ(got(mute), Ids{"full"});
    EXPECT_EQ(got(*sender_), Ids{});
}

TEST_F(Router, gives_iqs_to_the_resource_or_says_that_nobody_answers) {
    auto& garden = come(*romeo_, "garden", 0);
    const std::string payload = "<q xmlns='urn:example'/></iq>";
    route(from_juliet("<iq to='romeo@localhost/garden' type='get' id='full'>" + payload));
    route(from_juliet("<iq to='romeo@localhost/left' type='get' id='left'>" + payload));
    route(from_juliet("<iq to='romeo@localhost' type='get' id='bare'>" + payload));
    route(from_juliet("<iq to='localhost' type='get' id='server'>" + payload));
    route(from_juliet("<iq to='romeo@localhost/left' type='result' id='answer'/>"));
    EXPECT_EQ(got(garden), Ids{"full"});
    EXPECT_EQ(got(*sender_), (Ids{"left error", "bare error", "server error"}));
}

TEST_F(Router, refuses_what_belongs_to_another_server) {
    route(from_juliet("<message to='rosaline@elsewhere.example' id='m'><body>x</body></message>"));
    EXPECT_EQ(got(*sender_), Ids{"m error"});
}

}   // namespace
