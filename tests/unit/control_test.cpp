// The control socket from both ends: server/control.hpp and tamboctl's client.
#include "server/control.hpp"

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "ctl/client.hpp"

namespace {

using namespace tambo;

class Silent final : public Log {
public:
    bool enabled(Level) const noexcept override { return false; }
    void write(Level, std::string_view) noexcept override {}
};

class ControlSocket : public testing::Test {
protected:
    void serve(Control::Command command) {
        control = std::make_unique<Control>(io, path, std::move(command), log);
        loop = std::thread{[this] { io.run(); }};
    }
    void TearDown() override {
        io.stop();
        if (loop.joinable()) loop.join();
        control.reset();
        std::filesystem::remove(path);
    }

    const std::filesystem::path path =
        std::filesystem::path{testing::TempDir()} / ("tambo-control-" + std::to_string(::getpid()));
    Silent log;
    boost::asio::io_context io;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
    std::unique_ptr<Control> control;
    std::thread loop;
    ctl::Client client{path.string()};
};

TEST_F(ControlSocket, brings_words_there_and_the_answer_back) {
    serve([](const auto& words, const auto& out) {
        for (const auto& word : words) out("<" + word + ">");
        return 1;
    });
    std::string answer;
    EXPECT_EQ(client.ask({"send", "a b", "", "two\nlines"}, answer), 1);
    EXPECT_EQ(answer, "<send><a b><><two\nlines>");
}

TEST_F(ControlSocket, tells_what_a_command_threw) {
    serve([](const auto&, const auto&) -> int { throw std::runtime_error("the disk is full"); });
    std::string answer;
    EXPECT_EQ(client.ask({"backup"}, answer), 1);
    EXPECT_EQ(answer, "the disk is full\n");
}

TEST_F(ControlSocket, hands_long_answers_over_in_pieces) {
    constexpr std::size_t pieces = 2000, bytes = 10'000;
    serve([](const auto&, const auto& out) {
        for (std::size_t i = 0; i < pieces; ++i) out(std::string(bytes, 'x'));
        return 0;
    });
    std::size_t came = 0;
    EXPECT_EQ(client.ask({"user", "list"}, [&](std::string_view piece) { came += piece.size(); }), 0);
    EXPECT_EQ(came, pieces * bytes);
}

TEST_F(ControlSocket, holds_up_neither_the_loop_nor_others_with_a_slow_command) {
    std::promise<void> may_end;
    serve([ending = may_end.get_future().share()](const auto& words, const auto&) {
        if (words[0] == "slow") ending.wait();
        return 0;
    });
    auto slow = std::async(std::launch::async, [this] {
        std::string answer;
        return client.ask({"slow"}, answer);
    });
    std::promise<void> loop_runs;
    boost::asio::post(io, [&] { loop_runs.set_value(); });
    loop_runs.get_future().wait();
    std::string answer;
    EXPECT_EQ(client.ask({"quick"}, answer), 0);
    may_end.set_value();
    EXPECT_EQ(slow.get(), 0);
}

// One that reads nothing, for as long as it lives.
class Sleeper {
public:
    Sleeper(const std::string& path, std::string_view request) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::send(socket_, request.data(), request.size(), 0) < 0)
            throw std::runtime_error("nobody to sleep at");
    }
    ~Sleeper() { ::close(socket_); }

private:
    int socket_;
};

TEST_F(ControlSocket, stops_although_a_client_does_not_read) {
    std::promise<void> is_stuck;
    serve([&](const auto&, const auto& out) {
        out("first");
        is_stuck.set_value();
        for (;;) out(std::string(100'000, 'x'));
        return 0;
    });
    const Sleeper sleeper{path.string(), "user\x1flist\x1e"};
    is_stuck.get_future().wait();
    io.stop();
    loop.join();
    control.reset();   // hangs if it does not work
}

TEST_F(ControlSocket, lets_go_of_a_client_that_left) {
    std::promise<void> is_gone;
    serve([&](const auto&, const auto& out) -> int {
        try {
            for (;;) out(std::string(100'000, 'x'));
        } catch (const std::runtime_error&) {
            is_gone.set_value();
            throw;
        }
    });
    {
        const Sleeper sleeper{path.string(), "user\x1flist\x1e"};
    }
    is_gone.get_future().wait();
}

TEST_F(ControlSocket, refuses_words_that_could_be_taken_for_others) {
    serve([](const auto&, const auto&) { return 0; });
    std::string answer;
    EXPECT_THROW(client.ask({"kick", "a\x1f--json"}, answer), std::invalid_argument);
}

TEST_F(ControlSocket, tells_that_nobody_answers) {
    std::string answer;
    EXPECT_THROW(client.ask({"status"}, answer), ctl::Unreachable);
}

}   // namespace
