#include "server/fault_policy.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace tambo {

namespace {

constexpr std::chrono::minutes quiet{1};   // a module that behaved for so long has all its tries again

std::string seconds(Duration d) { return fmt::format("{:g} s", std::chrono::duration<double>(d).count()); }

}   // namespace

FaultPolicy::FaultPolicy(const KernelSettings& settings, std::function<double()> luck)
    : settings_(settings), luck_(std::move(luck)) {}

FaultPolicy::Record* FaultPolicy::find(const std::string& module) {
    const auto at = records_.find(module);
    return at == records_.end() ? nullptr : &at->second;
}

FaultPolicy::Record& FaultPolicy::record(const std::string& module, std::uint64_t generation) {
    auto& found = records_[module];
    if (found.generation == 0) found.generation = generation;
    return found;
}

FaultPolicy::Place& FaultPolicy::place(Record& record, unsigned shard) const {
    const BackOff::Limits limits{settings_.restart_wait, settings_.restart_wait_max, settings_.restarts, quiet};
    const auto at = record.places.find(shard);
    if (at != record.places.end()) return at->second;
    const FaultWindow window{settings_.faults, settings_.fault_window};
    return record.places.emplace(shard, Place{window, BackOff{limits}}).first->second;
}

// --- what happened

void FaultPolicy::swapped(const std::string& module, std::uint64_t generation, bool is_on_probation, Duration now) {
    Record fresh;
    fresh.generation = generation;
    if (is_on_probation) fresh.probation = now + settings_.probation;
    records_[module] = std::move(fresh);
}

void FaultPolicy::gone(const std::string& module) { records_.erase(module); }

FaultPolicy::Orders FaultPolicy::fault(const std::string& module, std::uint64_t generation, unsigned shard,
                                       Duration now) {
    using Kind = Order::Kind;
    auto& known = record(module, generation);
    if (generation != 0 && known.generation != generation) return {};   // a version that has left
    if (known.probation && now < *known.probation && settings_.probation_faults != 0 &&
        ++known.faults_on_probation >= settings_.probation_faults)
        return {{Kind::roll_back, module, known.generation, shard,
                 fmt::format("{} fault{} within {} of the swap", known.faults_on_probation,
                             known.faults_on_probation == 1 ? "" : "s", seconds(settings_.probation))}};
    auto& here = place(known, shard);
    if (here.is_out) return {};
    here.back_off.disturbed(now);
    if (!here.window.add(now)) return {};
    put_out(here, shard,
            fmt::format("more than {} faults within {} on shard {}", settings_.faults, seconds(settings_.fault_window),
                        shard),
            now);
    return {{Kind::withdraw, module, known.generation, shard, here.note}};
}

void FaultPolicy::put_out(Place& place, unsigned shard, std::string why, Duration now) {
    place.is_out = true;
    const auto wait = place.back_off.next(luck_());
    if (wait) {
        place.retry = now + *wait;
        place.note =
            fmt::format("{}; try {} of {} in {}", why, place.back_off.tries(), settings_.restarts, seconds(*wait));
    } else {
        place.retry.reset();
        place.note = fmt::format(
            "{}, and {} on shard {}; reload it when it is mended", why,
            settings_.restarts == 0 ? "is not to be rebuilt" : fmt::format("was rebuilt {} times", settings_.restarts),
            shard);
    }
}

void FaultPolicy::rebuilt(const std::string& module, unsigned shard, Duration now) {
    auto* known = find(module);
    if (known == nullptr) return;
    auto& here = place(*known, shard);
    here.is_out = false;
    here.retry.reset();
    here.note.clear();
    here.window.clear();
    here.back_off.disturbed(now);
}

void FaultPolicy::not_rebuilt(const std::string& module, unsigned shard, std::string why, Duration now) {
    if (auto* known = find(module)) put_out(place(*known, shard), shard, std::move(why), now);
}

void FaultPolicy::not_rolled_back(const std::string& module) {
    if (auto* known = find(module)) known->probation.reset();
}

// --- what follows

FaultPolicy::Orders FaultPolicy::due(Duration now) {
    using Kind = Order::Kind;
    Orders orders;
    for (auto& [module, known] : records_) {
        if (known.probation && now >= *known.probation) {
            known.probation.reset();
            orders.push_back({Kind::end_probation, module, known.generation});
        }
        for (auto& [shard, here] : known.places)
            if (here.retry && now >= *here.retry) {
                here.retry.reset();
                orders.push_back({Kind::rebuild, module, known.generation, shard});
            }
    }
    return orders;
}

Duration FaultPolicy::next() const {
    auto next = Duration::max();
    for (const auto& [module, known] : records_) {
        if (known.probation) next = std::min(next, *known.probation);
        for (const auto& [shard, here] : known.places)
            if (here.retry) next = std::min(next, *here.retry);
    }
    return next;
}

FaultPolicy::State FaultPolicy::state(const std::string& module) const {
    State result;
    const auto at = records_.find(module);
    if (at == records_.end()) return result;
    if (at->second.probation) result.state = "on probation";
    for (const auto& [shard, here] : at->second.places) {
        if (!here.is_out || result.state == "left out") continue;
        result = {here.retry ? "rebuilding" : "left out", here.note};
    }
    return result;
}

}   // namespace tambo
