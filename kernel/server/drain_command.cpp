// tamboctl drain: begins, follows and cancels it.
#include <chrono>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "server/drain.hpp"
#include "server/options.hpp"
#include "server/verbs.hpp"

namespace tambo::verbs {

namespace {

using Steady = std::chrono::steady_clock;

constexpr Duration look_every{100}, tell_every{1000};
constexpr Duration patience_at_the_end{5000};   // for those who are slow to close their side
constexpr Duration longest{24 * 3600 * 1000};

struct Wish {
    Duration over{30'000};
    bool stop = false, cancel = false;
};

std::optional<Wish> read(const Words& words) {
    Wish wish;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--stop") {
            wish.stop = true;
        } else if (words[i] == "--cancel") {
            wish.cancel = words.size() == 1;
            if (!wish.cancel) return std::nullopt;
        } else if (words[i] == "--over" && i + 1 < words.size()) {
            const auto over = read_duration(words[++i]);
            if (!over || *over > longest) return std::nullopt;
            wish.over = *over;
        } else {
            return std::nullopt;
        }
    }
    return wish;
}

int cancel(const Call& call) {
    if (!call.drain.cancel()) return refuse(call, "nothing is being drained");
    Json json;
    return tell(call, json.object().member("done", true).end(), "clients are let in again\n");
}

// Until the last wave has been, and its clients have gone; where the server stops, that takes care of them.
Drain::Progress follow(const Call& call, std::uint64_t before, bool stops) {
    auto told = Steady::now(), over = told;
    for (;;) {
        const auto progress = call.drain.progress();
        if (!progress.is_closed) return progress;
        if (progress.is_on) over = Steady::now();
        if (!progress.is_on && (stops || progress.left == 0 || Steady::now() - over > patience_at_the_end))
            return progress;
        if (!call.json && Steady::now() - told >= tell_every) {
            told = Steady::now();
            call.out(fmt::format("{} of {} connections are left\n", progress.left, before));
        }
        std::this_thread::sleep_for(look_every);
    }
}

int tell_end(const Call& call, const Drain::Progress& end, Steady::duration took) {
    const auto seconds = std::chrono::duration<double>(took).count();
    Json json;
    json.object().member("done", end.is_closed).member("ended", end.ended).member("resumable", end.waiting);
    json.member("left", end.left).member("seconds", seconds);
    if (!end.is_closed) json.member("reason", "it was cancelled");
    tell(call, json.end(),
         fmt::format("{}: {} connections closed, {} more whose sessions can be resumed, {} left, {:.1f} s\n",
                     end.is_closed ? "drained" : "cancelled", end.ended, end.waiting, end.left, seconds));
    return end.is_closed ? done : refused;
}

}   // namespace

int drain(const Call& call) {
    const auto wish = read(call.words);
    if (!wish) return complain(call, "expected: drain [--over DURATION] [--stop], or drain --cancel");
    if (wish->cancel) return cancel(call);
    const auto before = call.drain.progress().left;
    const auto began = Steady::now();
    if (!call.drain.begin(wish->over, wish->stop)) return refuse(call, "a drain is under way");
    const auto end = follow(call, before, wish->stop);
    return tell_end(call, end, Steady::now() - began);
}

}   // namespace tambo::verbs
