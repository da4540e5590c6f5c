#include "module/meeting.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include <fmt/core.h>

#include "server/kernel.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{2};            // with a shard that does not come: something holds it
constexpr std::chrono::seconds patience_to_count{1};   // … or comes late to say what waited

double milliseconds(Steady::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

/// What they share while they meet. Shared with every shard that was called: one may come when all is over.
struct Gathering {
    enum class Verdict : std::uint8_t { open, flip, stay };

    std::mutex lock;
    std::condition_variable changed;
    Verdict verdict = Verdict::open;
    std::string why;
    std::vector<bool> is_ready;   // by shard
    std::size_t inside = 0, asleep = 0;
    Steady::duration longest{};
    std::size_t counted = 0;
    std::vector<double> waits_ms;   // of stanzas that were read right afterwards

    // Who called them need not be woken before all have gone on: that would take a core from one of them.
    void decide(Verdict what) {
        verdict = what;
        if (asleep != 0) changed.notify_all();
    }
};

void count_waits(Shard& shard, Steady::time_point since, const std::shared_ptr<Gathering>& round) {
    shard.count_waiting(since, [round](const std::vector<double>& ms) {
        const std::lock_guard guard{round->lock};
        round->waits_ms.insert(round->waits_ms.end(), ms.begin(), ms.end());
        ++round->counted;
        round->changed.notify_all();
    });
}

void take_seat(Kernel& kernel, const std::shared_ptr<Gathering>& shared, std::size_t shard,
               const Meeting::Prepare& prepare, const Meeting::Flip& flip) {
    auto& round = *shared;
    const auto start = Steady::now();
    std::unique_lock lock{round.lock};
    if (round.verdict != Gathering::Verdict::open) return;   // too late, or somebody has refused: `flip` may be gone
    ++round.inside;
    lock.unlock();
    auto why = prepare(shard);
    lock.lock();
    round.is_ready[shard] = true;
    if (round.verdict == Gathering::Verdict::open) {
        if (!why.empty()) {
            round.why = std::move(why);
            round.decide(Gathering::Verdict::stay);
        } else if (std::ranges::find(round.is_ready, false) == round.is_ready.end()) {
            round.decide(Gathering::Verdict::flip);   // nobody has changed anything until now, and all will
        }
    }
    ++round.asleep;
    round.changed.wait(lock, [&] { return round.verdict != Gathering::Verdict::open; });
    --round.asleep;
    const bool flips = round.verdict == Gathering::Verdict::flip;
    lock.unlock();
    if (flips) {
        flip(shard);
        count_waits(*kernel.shards[shard], start, shared);
    }
    lock.lock();
    round.longest = std::max(round.longest, Steady::now() - start);
    if (--round.inside == 0) round.changed.notify_all();
}

std::string who_is_missing(Kernel& kernel, const Gathering& round) {
    const auto shard = static_cast<std::size_t>(std::ranges::find(round.is_ready, false) - round.is_ready.begin());
    const char* in = kernel.shards[shard]->crumb;
    return fmt::format("shard {} was not ready within {} s: {}", shard, patience.count(),
                       in != nullptr ? fmt::format("it is in module {}", in) : "it has too much to do");
}

void sum_up(std::vector<double> ms, Meeting::Figures& figures) {
    if (ms.empty()) return;
    std::ranges::sort(ms);
    figures.waited = ms.size();
    figures.waited_max_ms = ms.back();
    figures.waited_p99_ms = ms[(ms.size() - 1) * 99 / 100];
}

// On the only thread there is: nobody to wait for.
std::string alone(Kernel& kernel, const Meeting::Prepare& prepare, const Meeting::Flip& flip) {
    for (std::size_t i = 0; i < kernel.shards.size(); ++i)
        if (auto why = prepare(i); !why.empty()) return why;
    for (std::size_t i = 0; i < kernel.shards.size(); ++i) flip(i);
    return {};
}

}   // namespace

std::string Meeting::hold(Kernel& kernel, const Prepare& prepare, const Flip& flip, Figures& figures) {
    const auto start = Steady::now();
    if (!kernel.running) return alone(kernel, prepare, flip);
    if (kernel.runs_loop()) {
        std::string why;
        kernel.shards.front()->turn([&] { why = alone(kernel, prepare, flip); });
        figures.meet_ms = figures.pause_ms = milliseconds(Steady::now() - start);
        return why;
    }
    const auto round = std::make_shared<Gathering>();
    round->is_ready.resize(kernel.shards.size());
    for (std::size_t i = 0; i < kernel.shards.size(); ++i)
        kernel.shards[i]->post([&kernel, round, i, &prepare, &flip] { take_seat(kernel, round, i, prepare, flip); });
    std::unique_lock lock{round->lock};
    if (!round->changed.wait_for(lock, patience, [&] { return round->verdict != Gathering::Verdict::open; })) {
        round->why = who_is_missing(kernel, *round);
        round->decide(Gathering::Verdict::stay);
    }
    round->changed.wait(lock, [&] { return round->inside == 0; });
    figures.pause_ms = milliseconds(round->longest);
    figures.meet_ms = milliseconds(Steady::now() - start);
    if (round->verdict == Gathering::Verdict::stay) return round->why;
    round->changed.wait_for(lock, patience_to_count, [&] { return round->counted == round->is_ready.size(); });
    sum_up(round->waits_ms, figures);
    return {};
}

}   // namespace tambo
