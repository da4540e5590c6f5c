// How modules are changed: all that were named, or none (DESIGN B.5).
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "module/claims.hpp"
#include "module/failure.hpp"
#include "module/loader.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

using Steady = std::chrono::steady_clock;

double milliseconds_since(Steady::time_point start) {
    return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

}   // namespace

SwapReport Loader::change(Changes changes) {
    SwapReport report;
    std::vector<std::string> names;
    for (const auto& c : changes) names.push_back(c.name);
    report.module = fmt::format("{}", fmt::join(names, ", "));
    for (const auto& name : names) retirement_.make_room(name);

    auto start = Steady::now();
    auto why = prepare_all(changes);
    for (auto c = changes.begin(); !why && c != changes.end(); ++c) why = judge(*c, changes);
    report.prepare_ms = milliseconds_since(start);
    bool store_is_changed = false;
    if (!why) why = change_store(changes, store_is_changed);
    Meeting::Figures figures;
    if (!why) why = meet(changes, figures);
    report.meet_ms = figures.meet_ms;
    report.pause_ms = figures.pause_ms;
    report.waited = figures.waited;
    report.waited_max_ms = figures.waited_max_ms;
    report.waited_p99_ms = figures.waited_p99_ms;
    if (why) {
        give_up(changes, store_is_changed);
        return refused(std::move(report), why);
    }
    start = Steady::now();
    settle(changes, report);
    report.retire_ms = milliseconds_since(start);
    return report;
}

Loader::Objection Loader::prepare_all(Changes& changes) {
    for (auto& change : changes) {
        auto prepared = prepare(change.file, change.name);
        if (!prepared) return {change.name, "prepare", prepared.error().text};
        change.fresh = std::move(*prepared);
    }
    return {};
}

Loader::Objection Loader::judge(const Change& change, const Changes& all) const {
    const auto& fresh = *change.fresh.instances.front();
    const auto is_replaced = [&](const std::string& name) {
        return std::ranges::find(all, name, &Change::name) != all.end();
    };
    if (auto why = missing_needs(fresh, all); !why.empty()) return {change.name, "needs", why};
    for (const auto& other : loaded_)
        if (!is_replaced(other.name))
            if (auto why = clash(fresh, *other.instances.front()); !why.empty()) return {change.name, "conflicts", why};
    for (const auto& other : all)
        if (&other != &change)
            if (auto why = clash(fresh, *other.fresh.instances.front()); !why.empty())
                return {change.name, "conflicts", why};
    if (kernel_.running)   // at start-up they are judged together, when all are known
        if (auto why = unknown_keys(change.name, change.fresh.options); !why.empty())
            return {change.name, "options", why};
    if (change.old != nullptr && !change.goes_back)
        if (auto why = slot_complaint(change.old->instances.front()->slots(), fresh.slots()); !why.empty())
            return {change.name, "slots", why};
    return {};
}

std::string Loader::missing_needs(const Instance& instance, const Changes& all) const {
    for (const auto& need : instance.dependencies())
        if (std::ranges::find(loaded_, need, &Loaded::name) == loaded_.end() &&
            std::ranges::find(all, need, &Change::name) == all.end())
            return fmt::format("needs module {}, which is not loaded", need);
    return {};
}

// Requests that wait are answered by the one driver or the other, none by both.
Loader::Objection Loader::change_store(const Changes& changes, bool& is_changed) {
    for (const auto& change : changes) {
        const auto& first = *change.fresh.instances.front();
        if (!first.store_factory()) continue;
        auto why = text_of_failure([&] {
            kernel_.store.use(first.store_factory(), first.crumb());
            return std::string{};
        });
        if (!why.empty()) return {change.name, "store", std::move(why)};
        is_changed = true;
    }
    return {};
}

// --- meet

std::string Loader::hand_over(Change& change, std::size_t shard) {
    if (change.old == nullptr) return {};
    const auto& before = *change.old->instances[shard];
    auto& fresh = *change.fresh.instances[shard];
    const auto try_with = [&](const auto& saved) {
        return text_of_failure([&] {
            change.saved[shard] = saved();
            return fresh.take_over(change.saved[shard]);
        });
    };
    // One that was withdrawn because of its faults has nothing good to say.
    if (!before.is_live() && !before.last_good()) return {};
    auto why =
        before.is_live() ? try_with([&] { return before.save(); }) : try_with([&] { return *before.last_good(); });
    if (!why.empty() && change.goes_back) why = try_with([&] { return change.old->handed_over[shard]; });
    return why;
}

Loader::Objection Loader::meet(Changes& changes, Meeting::Figures& figures) {
    for (auto& change : changes) change.saved.resize(change.fresh.instances.size());
    std::vector<std::string> who(kernel_.shards.size());
    std::vector<std::vector<std::uint64_t>> slots(kernel_.shards.size(), std::vector<std::uint64_t>(changes.size()));
    const auto hand_all_over = [&](std::size_t shard) -> std::string {
        for (auto& change : changes)
            if (auto why = hand_over(change, shard); !why.empty()) {
                who[shard] = change.name;
                return fmt::format("handing over the state failed: {}; the old version stays", why);
            }
        return {};
    };
    const auto flip = [&](std::size_t shard) {
        for (auto& change : changes)
            if (change.old != nullptr) change.old->instances[shard]->leave();
        for (std::size_t c = 0; c < changes.size(); ++c) {
            auto& fresh = *changes[c].fresh.instances[shard];
            fresh.go_live();
            for (const auto& slot : fresh.slots()) slots[shard][c] += kernel_.shards[shard]->slots.count(slot.name);
        }
    };
    auto why = Meeting::hold(kernel_, hand_all_over, flip, figures);
    if (!why.empty()) {
        const auto named = std::ranges::find_if_not(who, &std::string::empty);
        return {named == who.end() ? changes.front().name : *named, "meet", std::move(why)};
    }
    for (const auto& here : slots)
        for (std::size_t c = 0; c < changes.size(); ++c) changes[c].slots += here[c];
    return {};
}

// --- afterwards

// The new ones are live; the old ones go.
void Loader::settle(Changes& changes, SwapReport& report) {
    report.done = true;
    report.unmapped = true;
    for (auto& change : changes) {
        const auto& descriptor = change.fresh.image->descriptor();
        SwappedModule part;
        part.module = change.name;
        part.version = descriptor.version;
        part.generation = change.fresh.image->generation();
        part.slots = change.slots;
        for (const auto& saved : change.saved) part.state_bytes += saved.state.size();
        remember_options(change.name, std::move(change.fresh.options));
        if (change.old == nullptr) {
            if (kernel_.running)
                kernel_.on_each_shard([&](Shard& s) { s.introduce(*change.fresh.instances[s.index]); });
            tell_desk(change, false);
            loaded_.push_back({change.name, change.file, change.fresh.image, std::move(change.fresh.instances)});
            tell(loaded_.back(), fmt::format("loaded: version {} (generation {})", part.version, part.generation));
            part.unmapped = true;
        } else {
            auto& loaded = *change.old;
            begin_probation(loaded, change);
            tell_desk(change, !loaded.previous.empty());
            std::swap(loaded.image, change.fresh.image);
            std::swap(loaded.instances, change.fresh.instances);
            tell(loaded, fmt::format("{}: version {} (generation {})", change.goes_back ? "back" : "swapped",
                                     part.version, part.generation));
            part.old_image =
                retirement_.add(change.name, std::move(change.fresh.image), std::move(change.fresh.instances));
            part.unmapped = part.old_image == "unmapped";
        }
        report.unmapped = report.unmapped && part.unmapped;
        if (kernel_.running)
            kernel_.log->info("module {}: version {} (generation {}) is live; shards stood still for {:.3f} ms",
                              part.module, part.version, part.generation, report.pause_ms);
        report.modules.push_back(std::move(part));
    }
    report.version = report.modules.front().version;
    report.generation = report.modules.front().generation;
}

void Loader::tell_desk(const Change& change, bool is_on_probation) const {
    kernel_.desk.tell({.kind = ModuleNews::Kind::swapped,
                       .module = change.name,
                       .generation = change.fresh.image->generation(),
                       .when = kernel_.clock->steady(),
                       .is_on_probation = is_on_probation});
}

// Its predecessor's file stays as long as it may have to come back: under a name of its own, since the image takes its
// copy with it.
void Loader::begin_probation(Loaded& loaded, Change& change) {
    std::error_code failed;
    forget_previous(loaded);
    loaded.note.clear();
    loaded.state = "live";
    if (change.goes_back) return;   // there is no third one to go back to
    loaded.file = change.file;
    const auto& copy = loaded.image->copy();
    const auto kept = copy.parent_path() / fmt::format("{}.{}.previous", change.name, loaded.image->generation());
    std::filesystem::create_hard_link(copy, kept, failed);
    if (failed) return;   // then it can only be rebuilt
    loaded.previous = kept;
    loaded.handed_over = std::move(change.saved);
    loaded.state = "on probation";
}

// Nothing has changed; what was prepared goes again.
void Loader::give_up(Changes& changes, bool store_is_changed) {
    for (auto& change : changes) {
        const bool is_store = !change.fresh.instances.empty() && change.fresh.instances.front()->store_factory();
        // The old driver's code is what stays: the store must not go on with the other one.
        if (store_is_changed && is_store) {
            if (change.old != nullptr) {
                const auto& old = *change.old->instances.front();
                kernel_.store.use(old.store_factory(), old.crumb());
            } else {
                kernel_.store.use({});
            }
        }
        if (change.fresh.image)
            retirement_.add(change.name, std::move(change.fresh.image), std::move(change.fresh.instances));
    }
}

SwapReport Loader::refused(SwapReport report, const Objection& why) const {
    report.step = why.step;
    report.reason = report.module == why.module ? why.reason : fmt::format("module {}: {}", why.module, why.reason);
    const bool is_new = std::ranges::find(loaded_, why.module, &Loaded::name) == loaded_.end();
    kernel_.log->warning("module {}: not {} at step {}: {}", why.module, is_new ? "loaded" : "swapped", why.step,
                         why.reason);
    return report;
}

}   // namespace tambo
