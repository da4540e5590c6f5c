// A link on which nothing comes is asked whether there is still somebody; and who comes back to a server that was
// restarted learns which friends did not.
#include <arpa/inet.h>
#include <atomic>
#include <filesystem>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <tambo/client.hpp>
#include <tambo/server.hpp>

#include "client.hpp"
#include "folder.hpp"
#include "stage.hpp"

namespace {

using std::chrono::minutes, std::chrono::seconds;

class SilentLink : public testing::Test {
protected:
    SilentLink() {
        play::Cast cast;
        cast.settings = {{"module stream_management", "probe_after", "10m"},
                         {"module stream_management", "ack_timeout", "1m"},
                         {"module stream_management", "resume_timeout", "30m"},
                         {"module presence", "presence_grace", "1m"}};
        stage_ = play::in_process(cast);
        for (const auto* user : {"juliet", "romeo"}) stage_->add_user(user, "secret");
    }

    /// In steps, as a clock that ticks would have it.
    void pass(minutes time) {
        for (seconds passed{}; passed < time; passed += seconds{30}) {
            stage_->pass(seconds{30});
            stage_->settle();
        }
    }

    static play::Wishes resumable() {
        play::Wishes wishes;
        wishes.stream_management = true;
        return wishes;
    }

    tambo::SessionInfo session(const std::string& jid) {
        const auto found = stage_->server()->sessions(jid);
        return found.empty() ? tambo::SessionInfo{} : found.front();
    }

    std::unique_ptr<play::Stage> stage_;
};

TEST_F(SilentLink, is_cut_when_a_client_with_stream_management_does_not_answer) {
    std::atomic<int> asked{0};
    tambo::Client mute{*stage_->server(),
                       *tambo::Jid::parse("juliet@localhost/mute"),
                       {.on_element = [&](const tambo::Stanza& element) { asked += element.name() == "r" ? 1 : 0; }}};
    ASSERT_TRUE(mute.ready());
    ASSERT_TRUE(mute.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>"));
    stage_->settle();
    pass(minutes{9});
    EXPECT_EQ(asked, 0);
    EXPECT_TRUE(session("juliet@localhost/mute").is_connected);
    pass(minutes{6});
    EXPECT_EQ(asked, 1);
    EXPECT_FALSE(session("juliet@localhost/mute").is_connected);
    EXPECT_EQ(session("juliet@localhost/mute").jid, "juliet@localhost/mute") << "the session waits on";
}

TEST_F(SilentLink, stays_when_the_client_answers_though_its_user_sleeps) {
    play::Client phone{"juliet", "phone", "localhost"};
    phone.connect(stage_->connect(), resumable());
    phone.send("<inactive xmlns='urn:xmpp:csi:0'/>");
    phone.sync();
    int asked = 0;
    auto said = session("juliet@localhost/phone").traffic.bytes_out;
    for (seconds passed{}; passed < minutes{60}; passed += seconds{30}) {
        stage_->pass(seconds{30});
        stage_->settle();
        if (session("juliet@localhost/phone").traffic.bytes_out == said) continue;
        ++asked;
        phone.sync();   // reads, and so answers
        said = session("juliet@localhost/phone").traffic.bytes_out;
    }
    EXPECT_TRUE(session("juliet@localhost/phone").is_connected);
    EXPECT_GE(asked, 4);
    EXPECT_LE(asked, 6) << "a radio wakes for each";
}

TEST_F(SilentLink, gets_white_space_without_stream_management) {
    play::Client old{"juliet", "old", "localhost"};
    old.connect(stage_->connect(), {});
    stage_->settle();
    const auto before = session("juliet@localhost/old").traffic.bytes_out;
    pass(minutes{9});
    EXPECT_EQ(session("juliet@localhost/old").traffic.bytes_out, before);
    pass(minutes{4});
    EXPECT_EQ(session("juliet@localhost/old").traffic.bytes_out, before + 1);
}

// For the module a restart of the server is a life that it knows nothing of.
TEST_F(SilentLink, is_no_reason_to_believe_for_ever_that_a_friend_is_there_who_left_in_a_restart) {
    play::Client juliet{"juliet", "j", "localhost"}, romeo{"romeo", "r", "localhost"};
    for (auto* client : {&juliet, &romeo}) client->ignore("roster pushes");
    juliet.connect(stage_->connect(), resumable());
    romeo.connect(stage_->connect(), {});
    juliet.send("<presence type='subscribe' to='romeo@localhost'/>");
    juliet.sync();
    romeo.send("<presence type='subscribed' to='juliet@localhost'/>");
    romeo.sync();
    stage_->settle();
    juliet.sync();
    std::string last;
    for (auto next = juliet.poll_inbox(); next; next = juliet.poll_inbox()) last = *next->attribute("from");
    ASSERT_EQ(last, "romeo@localhost/r");

    ASSERT_TRUE(stage_->server()->unload("presence").done);
    romeo.disconnect();
    juliet.drop();
    stage_->settle();
    ASSERT_TRUE(stage_->server()->load("presence").done);
    juliet.resume(stage_->connect());
    stage_->settle();
    pass(minutes{2});
    juliet.sync();
    const auto news = juliet.poll_inbox();
    ASSERT_TRUE(news) << "nobody told her";
    EXPECT_EQ(*news->attribute("from"), "romeo@localhost");
    EXPECT_EQ(*news->attribute("type"), "unavailable");
    EXPECT_FALSE(juliet.poll_inbox()) << "once";
}

/// The server's end of this connection, which is in this process; -1 if it isn't.
int other_end(int ours) {
    sockaddr_in mine{}, peer{};
    socklen_t size = sizeof mine;
    ::getsockname(ours, reinterpret_cast<sockaddr*>(&mine), &size);
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        const int fd = std::stoi(entry.path().filename());
        size = sizeof peer;
        const bool is_connected = ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
        if (is_connected && peer.sin_family == AF_INET && peer.sin_port == mine.sin_port) return fd;
    }
    return -1;
}

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(fd, level, name, &value, &size);
    return value;
}

// [limits] keepalive and send_timeout are the system's to keep, on each connection.
TEST(SilentTcp, is_watched_by_the_system) {
    const Folder data;
    tambo::Config config;
    config.domain("localhost").listen("127.0.0.1", 0).data(data.path());
    config.set("limits", "keepalive", "2m");
    config.set("limits", "send_timeout", "30s");
    tambo::Server server{config, {.clock = nullptr, .log = [](auto...) {}}};
    server.start();
    const int ours = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(server.port("c2s"));
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(ours, reinterpret_cast<const sockaddr*>(&there), sizeof there), 0);
    ASSERT_EQ(::send(ours, "?", 1, MSG_NOSIGNAL), 1);   // gets an answer
    char answer = 0;
    ASSERT_EQ(::recv(ours, &answer, 1, MSG_PEEK), 1);
    const int theirs = other_end(ours);
    ASSERT_GE(theirs, 0);
    EXPECT_EQ(option(theirs, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(theirs, IPPROTO_TCP, TCP_KEEPIDLE), 120);
    EXPECT_EQ(option(theirs, IPPROTO_TCP, TCP_USER_TIMEOUT), 30'000);
    EXPECT_EQ(option(theirs, IPPROTO_TCP, TCP_NODELAY), 1);
    ::close(ours);
}

}   // namespace
