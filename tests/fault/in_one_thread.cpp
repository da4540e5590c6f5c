// The same in a server without threads of its own: the program's loop takes out and rebuilds.
#include <atomic>
#include <memory>
#include <stdexcept>

#include <gtest/gtest.h>

#include <tambo/server.hpp>
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class HandClock final : public Clock {
public:
    Time now() const noexcept override { return Time{} + steady(); }
    Duration steady() const noexcept override { return passed_.load(); }
    void pass(Duration time) { passed_ = passed_.load() + time; }

private:
    std::atomic<Duration> passed_{std::chrono::hours{1}};
};

/// Fails ten times a second, as long as it shall.
class Nervous final : public Module {
public:
    explicit Nervous(const bool& shall_fail) : shall_fail_(shall_fail) {}
    void wire(Wiring& w) override { w.every<&Nervous::twitch>(std::chrono::milliseconds{100}, this); }

private:
    void twitch() const {
        if (shall_fail_) throw std::runtime_error{"eek"};
    }
    const bool& shall_fail_;
};

TEST(InOneThread, who_fails_too_often_is_taken_out_and_comes_back) {
    const auto clock = std::make_shared<HandClock>();   // shared with the server
    bool shall_fail = true;
    Server::Options options;
    options.clock = clock;
    options.own_threads = false;
    options.manual_timers = true;
    options.log = [](Level, std::string_view) {};
    options.modules.push_back({"nervous", "1", [&] { return std::make_unique<Nervous>(shall_fail); }});
    Server server{Config{}.domain("localhost").set("server", "data", ""), std::move(options)};
    server.start();
    const auto pass = [&](int tenths) {
        for (int i = 0; i < tenths; ++i) {
            clock->pass(std::chrono::milliseconds{100});
            server.advance();
            while (server.poll(Duration::zero()) > 0) {
            }
        }
    };
    const auto state = [&] { return server.modules().front().state; };
    pass(10);
    EXPECT_EQ(state(), "built in");
    pass(1);
    EXPECT_EQ(state(), "rebuilding");
    EXPECT_EQ(server.modules().front().faults, 11U);
    shall_fail = false;
    pass(20);
    EXPECT_EQ(state(), "built in");
    EXPECT_EQ(server.stats().modules.front().restarts, 1U);
    server.stop();
    server.wait();
}

TEST(InOneThread, that_does_not_wait_until_somebody_keeps_house) {
    bool shall_fail = true;
    Server::Options options;
    options.own_threads = false;
    options.log = [](Level, std::string_view) {};
    options.modules.push_back({"nervous", "1", [&] { return std::make_unique<Nervous>(shall_fail); }});
    Config config;
    config.domain("localhost").set("kernel", "restart_wait", "1h").set("kernel", "restart_wait_max", "1h");
    Server server{config.set("kernel", "fault_window", "1h"), std::move(options)};
    server.start();
    while (server.modules().front().state != "rebuilding") server.poll(std::chrono::seconds{1});
    EXPECT_EQ(server.modules().front().faults, 11U);
    server.stop();
    server.wait();
}

}   // namespace
