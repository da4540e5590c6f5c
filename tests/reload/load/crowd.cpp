#include "crowd.hpp"

#include <algorithm>
#include <poll.h>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace load {

namespace {

constexpr std::size_t shared_accounts = 20;   // pairs sit at their full JIDs: accounts cost time
constexpr std::size_t pairs_per_resumer = 4;
constexpr std::size_t clients_per_tls = 5;   // of those who speak XML
constexpr std::uint64_t messages_per_resumption = 60;
constexpr std::size_t arrivals_per_round = 4;   // a key derivation each
constexpr int glance_ms = 10;
constexpr std::chrono::seconds patience{60};

void make_account(const Tambod& server, const World& world, const std::string& user) {
    std::string answer;
    if (server.ask({"user", "add", user + "@" + world.domain, world.password}, answer) != 0)
        throw std::runtime_error{"tamboctl user add: " + answer};
}

}   // namespace

Crowd::Crowd(Tambod& server, const CrowdSize& size, unsigned seed)
    : server_(server), world_{.port = server.port(), .loop = loop_, .ledger = ledger_} {
    invite(size, seed);
    loop_.on_round([this] { round(); });
}

void Crowd::add_pair(const std::string& first, const std::string& second, const std::string& resource,
                     const TalkerHabits& habits, bool second_goes_away, unsigned seed) {
    auto others = habits;
    if (habits.wire == Wire::funxmpp && seed % 4 == 0) others.wire = Wire::xml;   // some talk across
    others.goes_away = second_goes_away;
    if (second_goes_away) others.messages_per_resumption = 0;
    auto& a = *talkers_.emplace_back(std::make_unique<Talker>(world_, first, resource + "a", habits, seed));
    auto& b = *talkers_.emplace_back(std::make_unique<Talker>(world_, second, resource + "b", others, seed + 1));
    a.talk_to(b);
    b.talk_to(a);
}

void Crowd::invite(const CrowdSize& size, unsigned seed) {
    std::size_t invited = 0;   // spread evenly: each time that the share has grown by one
    const auto next_wire = [&] {
        const auto before = invited * size.funxmpp_percent / 100, after = ++invited * size.funxmpp_percent / 100;
        if (after > before) return Wire::funxmpp;
        return invited % clients_per_tls == 0 ? Wire::xml_over_tls : Wire::xml;
    };
    const TalkerHabits habits{size.window, size.pause, 0, Wire::xml, false};
    const auto accounts = std::min(shared_accounts, 2 * size.pairs);
    for (std::size_t i = 0; i < accounts; ++i) make_account(server_, world_, fmt::format("pair{}", i));
    for (std::size_t i = 0; i < size.pairs; ++i) {
        auto own = habits;
        own.wire = next_wire();
        if (i % pairs_per_resumer == 0) own.messages_per_resumption = messages_per_resumption;
        add_pair(fmt::format("pair{}", 2 * i % accounts), fmt::format("pair{}", (2 * i + 1) % accounts),
                 fmt::format("r{}", i), own, false, seed += 2);
    }
    for (std::size_t i = 0; i < size.absent; ++i) {
        make_account(server_, world_, fmt::format("present{}", i));
        make_account(server_, world_, fmt::format("absent{}", i));
        auto own = habits;
        own.wire = next_wire();
        add_pair(fmt::format("present{}", i), fmt::format("absent{}", i), "r", own, true, seed += 2);
    }
    for (std::size_t i = 0; i < size.visitors; ++i) {
        make_account(server_, world_, fmt::format("visitor{}", i));
        visitors_.push_back(std::make_unique<Visitor>(world_, fmt::format("visitor{}", i), next_wire(), ++seed));
    }
}

void Crowd::run() {
    std::size_t next = 0;
    loop_.on_round([this, &next] {
        for (auto left = arrivals_per_round; left > 0 && next < talkers_.size(); --left) talkers_[next++]->start();
    });
    for (auto& visitor : visitors_) visitor->start();
    loop_.run([this] { return is_over(); });
    for (auto& talker : talkers_) {
        talker->close_books();
        if (!talker->is_done())
            ledger_.complain(ledger_.refused, fmt::format("{} has never come to its end ({} questions wait)",
                                                          talker->name(), talker->waiting()));
    }
}

void Crowd::round() {
    const auto now = Clock::now();
    std::size_t ready = 0;
    for (auto& talker : talkers_) {
        talker->tick(now);
        if (talker->is_ready()) ++ready;
    }
    ready_ = ready;
}

bool Crowd::is_over() {
    if (!world_.is_ending) return false;
    if (give_up_ == Clock::time_point{}) give_up_ = Clock::now() + patience;
    return Clock::now() > give_up_ ||
           (std::ranges::all_of(talkers_, &Talker::is_done, [](auto& t) -> Talker& { return *t; }) &&
            std::ranges::all_of(visitors_, &Visitor::is_done, [](auto& v) -> Visitor& { return *v; }));
}

template <class Count>
void Crowd::await(const Count& count, std::uint64_t wanted, std::string_view what) const {
    const auto until = Clock::now() + patience;
    while (count < wanted) {
        if (Clock::now() > until || ledger_.dropped != 0)
            throw std::runtime_error{fmt::format("{} of {} {}", count.load(), wanted, what)};
        ::poll(nullptr, 0, glance_ms);
    }
}

void Crowd::await_everybody() const { await(ready_, talkers_.size(), "are logged in"); }

void Crowd::await_talk(std::uint64_t messages_of_each) const {
    await(ledger_.messages, ledger_.messages + messages_of_each * talkers_.size(), "messages came");
}

}   // namespace load
