// A swap at every point of every phase of negotiation: the stream goes on. At worst the one authentication exchange
// that is under way is told to try again.
#include <algorithm>
#include <memory>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "client.hpp"
#include "journey.hpp"
#include "stage.hpp"

namespace {

std::unique_ptr<play::Stage> stage() {
    play::Cast cast;
    cast.settings = {{"server", "plugins", "store_sqlite, auth_store"},
                     {"listener c2s", "plaintext_auth", "no"},
                     {"limits", "connections_per_address", "0"}};
    auto stage = play::in_process(cast);
    stage->add_user("romeo", "secret");
    return stage;
}

void swap(play::Stage& stage, const std::string& module) {
    const auto report = stage.server()->reload(module);
    ASSERT_TRUE(report.done) << module << " was not swapped: " << report.step << ": " << report.reason;
}

/// The supervisor clears away in its own time, for which there is no signal to wait for.
void await_no_draining(play::Stage& stage) {
    constexpr std::chrono::milliseconds glance{20};
    const auto is_any = [&] {
        return std::ranges::any_of(stage.server()->modules(), [](const auto& m) { return m.state == "draining"; });
    };
    for (auto left = play::Client::patience / glance; left > 0 && is_any(); --left)
        ::poll(nullptr, 0, static_cast<int>(glance.count()));
    ASSERT_FALSE(is_any());
}

const std::vector<std::string> negotiators{"starttls",          "sasl",       "bind",
                                           "stream_management", "auth_store", "store_sqlite"};

struct Way {
    std::string module;
    bool is_over_tcp;
};
void PrintTo(const Way& way, std::ostream* out) {
    *out << way.module << (way.is_over_tcp ? " over TCP" : " in process");
}

std::vector<Way> ways() {
    std::vector<Way> all;
    for (const auto& module : negotiators) {
        all.push_back({module, false});
        all.push_back({module, true});
    }
    return all;
}

class MidNegotiation : public testing::TestWithParam<Way> {};

TEST_P(MidNegotiation, the_stream_goes_on_whenever_the_swap_comes) {
    const auto [module, is_over_tcp] = GetParam();
    const auto house = stage();
    std::vector<std::string> points;
    play::Journey undisturbed{*house->server(), "romeo", is_over_tcp,
                              [&](const auto& where) { points.push_back(where); }};
    undisturbed.travel();
    ASSERT_GT(points.size(), 40U);
    for (std::size_t point = 0; point < points.size() && !HasFailure(); ++point) {
        SCOPED_TRACE("swapped " + points[point]);
        std::size_t passed = 0;
        play::Journey journey{*house->server(), "romeo", is_over_tcp, [&](const auto&) {
                                  if (passed++ == point) swap(*house, module);
                              }};
        EXPECT_NO_THROW(journey.travel());
        EXPECT_LE(journey.temporary_failures(), 1U);
    }
}

INSTANTIATE_TEST_SUITE_P(Swapping, MidNegotiation, testing::ValuesIn(ways()), [](const auto& info) {
    return info.param.module + (info.param.is_over_tcp ? "_over_tcp" : "_in_process");
});

/// A third version while the first still waits ends that: until an exchange has been told so once.
TEST(MidNegotiation, the_stream_goes_on_if_a_swap_comes_at_every_point) {
    const auto house = stage();
    for (const bool is_over_tcp : {false, true}) {
        play::Journey journey{*house->server(), "romeo", is_over_tcp, [&](const auto&) {
                                  for (const auto& module : negotiators)
                                      if (module != "sasl" || journey.temporary_failures() == 0) swap(*house, module);
                              }};
        EXPECT_NO_THROW(journey.travel());
        EXPECT_LE(journey.temporary_failures(), 1U);
    }
}

/// As long as tasks of an old version may go on, it goes on; then it is given up, and the client is told so.
TEST(MidNegotiation, an_exchange_that_takes_too_long_is_told_to_be_made_again) {
    const auto house = stage();
    bool has_waited = false;
    play::Journey journey{*house->server(), "romeo", false, [&](const std::string& where) {
                              if (where != "behind <challenge/>" || std::exchange(has_waited, true)) return;
                              swap(*house, "sasl");
                              house->pass(std::chrono::seconds{40});
                              await_no_draining(*house);
                          }};
    EXPECT_NO_THROW(journey.travel());
    EXPECT_EQ(journey.temporary_failures(), 1U);
}

/// RFC 6120 §7.7.2.2: the newcomer gets the resource, whichever version of `bind` sees to it.
TEST(MidNegotiation, a_conflict_of_resources_is_settled_over_a_swap) {
    const auto house = stage();
    play::Client first{"romeo", "r", "localhost"};
    first.connect(house->connect(), {});
    play::Journey second{*house->server(), "romeo", false, [&](const std::string& where) {
                             if (where == "amid <bind/>") swap(*house, "bind");
                         }};
    EXPECT_NO_THROW(second.travel());
    first.await_end();
    ASSERT_NE(first.stream_error(), nullptr);
    EXPECT_NE(first.stream_error()->child("conflict"), nullptr) << first.stream_error()->str();
}

}   // namespace
