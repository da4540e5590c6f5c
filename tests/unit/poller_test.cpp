// Sockets that are ready are told so, once for each time that they ask.
#include "net/poller.hpp"

#include <array>
#include <functional>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace {

using namespace tambo;

class Ear final : public Poller::Watched {
public:
    explicit Ear(Poller& poller) : poller_(poller) {
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()) != 0)
            throw std::runtime_error{"no pair"};
    }
    ~Ear() {
        close();
        ::close(ends_[1]);
    }
    Ear(const Ear&) = delete;
    Ear& operator=(const Ear&) = delete;

    void ready(std::uint32_t events) override {
        heard |= events;
        ++times;
        if (then) then();
    }
    void poller_is_gone() noexcept override { watched_ = 0; }

    void watch(std::uint32_t events) {
        ASSERT_TRUE(poller_.watch(ends_[0], *this, events, watched_));
        watched_ = events;
    }
    void say(std::string_view words) { ASSERT_EQ(::write(ends_[1], words.data(), words.size()), std::ssize(words)); }
    void hang_up() { ::shutdown(ends_[1], SHUT_RDWR); }
    void close() {
        if (ends_[0] < 0) return;
        if (watched_ != 0) poller_.forget(ends_[0]);
        watched_ = 0;
        ::close(std::exchange(ends_[0], -1));
    }

    std::uint32_t heard = 0;
    int times = 0;
    std::function<void()> then;

private:
    Poller& poller_;
    std::array<int, 2> ends_{};
    std::uint32_t watched_ = 0;
};

class Polling : public testing::Test {
protected:
    boost::asio::io_context io_;
    Poller poller_{io_};

    void look() {
        io_.restart();
        io_.poll();
    }
};

TEST_F(Polling, goes_on_telling_for_as_long_as_there_is_something_to_read) {
    Ear ear{poller_};
    ear.watch(EPOLLIN);
    look();
    EXPECT_EQ(ear.times, 0);
    ear.say("hi");
    io_.restart();
    while (ear.times < 3) io_.run_one();
    EXPECT_EQ(ear.heard, std::uint32_t{EPOLLIN});
}

TEST_F(Polling, says_nothing_to_who_wants_nothing_not_even_that_the_peer_is_gone) {
    Ear ear{poller_};
    ear.watch(EPOLLIN);
    ear.watch(0);
    ear.say("hi");
    ear.hang_up();
    look();
    EXPECT_EQ(ear.times, 0);
    ear.then = [&] { ear.watch(0); };
    ear.watch(EPOLLIN);
    look();
    EXPECT_EQ(ear.times, 1);
}

TEST_F(Polling, says_nothing_to_who_was_closed_in_the_same_round) {
    Ear one{poller_}, other{poller_};
    one.then = [&] { other.close(), one.watch(0); };
    other.then = [&] { one.close(), other.watch(0); };
    one.watch(EPOLLIN);
    other.watch(EPOLLIN);
    one.say("hi");
    other.say("hi");
    look();
    EXPECT_EQ(one.times + other.times, 1);
}

TEST_F(Polling, lets_the_loop_end_when_it_has_stopped) {
    Ear ear{poller_};
    ear.watch(EPOLLIN);
    poller_.stop();
    io_.restart();
    io_.run();
    ear.say("hi");
    look();
    EXPECT_EQ(ear.times, 0);
}

}   // namespace
