// Thousands of messages wait for one user: they flow as fast as she takes them, and no faster.
#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <tambo/client.hpp>
#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace {

constexpr int many = 3000, window = 250, batch = 100;

class ManyWaiting : public testing::Test {
protected:
    ManyWaiting() {
        play::Cast cast;
        cast.settings = {{"module offline", "max_messages", "10000"},
                         {"module offline", "max_bytes", "100M"},
                         {"module offline", "window", std::to_string(window)},
                         {"module stream_management", "max_kept", std::to_string(window + batch + 10)}};
        stage_ = play::in_process(cast);
        for (const auto* user : {"juliet", "romeo"}) stage_->add_user(user, "secret");
        play::Client juliet{"juliet", "balcony", "localhost"};
        juliet.connect(stage_->connect(), {});
        for (int i = 0; i < many; ++i)
            juliet.send(
                fmt::format("<message to='romeo@localhost' type='chat' id='{}'><body>{}</body></message>", i, i));
        juliet.sync();
        stage_->settle();
        juliet.disconnect();
    }

    std::unique_ptr<play::Stage> stage_;
};

/// A client that reads, and acknowledges when it is told to.
class Reader {
public:
    explicit Reader(tambo::Server& server)
        : client_{server,
                  *tambo::Jid::parse("romeo@localhost/orchard"),
                  {.on_stanza = [this](const tambo::Stanza& stanza) { heard(stanza); },
                   .on_end = [this](const std::string&) { has_ended = true; }}} {
        EXPECT_TRUE(client_.ready());
        EXPECT_TRUE(client_.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>"));
        EXPECT_TRUE(client_.presence());
    }
    void acknowledge() { EXPECT_TRUE(client_.send(fmt::format("<a xmlns='urn:xmpp:sm:3' h='{}'/>", stanzas.load()))); }

    std::atomic<int> stanzas{0}, messages{0};
    std::atomic<bool> is_in_order{true}, has_ended{false};

private:
    void heard(const tambo::Stanza& stanza) {
        ++stanzas;
        if (stanza.is_message() && stanza.id() != std::to_string(messages++)) is_in_order = false;
    }
    tambo::Client client_;
};

TEST_F(ManyWaiting, come_in_order_and_not_before_there_is_room_for_them) {
    Reader romeo{*stage_->server()};
    int rounds = 0;
    for (int before = -1; romeo.messages < many && romeo.messages > before; ++rounds) {
        before = romeo.messages;
        stage_->settle();
        EXPECT_LE(romeo.messages - before, window + batch) << "in round " << rounds;
        romeo.acknowledge();
        stage_->settle();
    }
    EXPECT_EQ(romeo.messages, many);
    EXPECT_TRUE(romeo.is_in_order);
    EXPECT_FALSE(romeo.has_ended);
    EXPECT_GE(rounds, many / (window + batch));
}

TEST_F(ManyWaiting, end_no_session_that_never_acknowledges_and_wait_for_the_next) {
    {
        Reader romeo{*stage_->server()};
        stage_->settle();
        EXPECT_LE(romeo.messages, window + batch);
        EXPECT_GT(romeo.messages, 0);
        EXPECT_FALSE(romeo.has_ended);
    }
    // What it had waits again: at once, or, if its goodbye was overtaken by the end of its connection, when it has not
    // come back.
    while (!stage_->server()->sessions().empty()) stage_->pass(std::chrono::minutes{1});
    play::Client again{"romeo", "again", "localhost"};
    again.connect(stage_->connect(), {});
    again.sync();
    for (int i = 0; i < many;) {
        const auto stanza = again.receive();
        if (stanza.name == "message") ASSERT_EQ(*stanza.attribute("id"), std::to_string(i++));
    }
}

}   // namespace
