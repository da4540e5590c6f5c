#include "server/swap_report.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace tambo {

namespace {

std::string waits(const SwapReport& r) {
    if (r.waited == 0) return "no stanza waited";
    return fmt::format("{} stanza{} waited, {:.3f} ms at most (99 % of them {:.3f} ms)", r.waited,
                       r.waited == 1 ? "" : "s", r.waited_max_ms, r.waited_p99_ms);
}

// The fates of old images that differ from the usual one.
std::string fates(const SwapReport& r) {
    std::string text;
    for (const auto& m : r.modules)
        if (!m.unmapped) text += fmt::format("; the old {} is {}", m.module, m.old_image);
    const bool any_old = std::ranges::any_of(r.modules, [](const auto& m) { return !m.old_image.empty(); });
    return text.empty() && any_old ? "; old code is gone from memory" : text;
}

}   // namespace

std::string in_words(const SwapReport& r) {
    if (!r.done) return fmt::format("refused at step {}: {}", r.step, r.reason);
    if (r.modules.empty()) return "nothing to do";
    const auto slots = std::accumulate(r.modules.begin(), r.modules.end(), std::uint64_t{0},
                                       [](std::uint64_t sum, const SwappedModule& m) { return sum + m.slots; });
    std::string versions;
    for (const auto& m : r.modules)
        versions += fmt::format("{}{}version {} (generation {})", versions.empty() ? "" : ", ",
                                r.modules.size() > 1 ? m.module + ' ' : "", m.version, m.generation);
    return fmt::format("{}; prepared in {:.1f} ms, shards stood still for {:.3f} ms, {}; {} slot{} handed over{}",
                       versions, r.prepare_ms, r.pause_ms, waits(r), slots, slots == 1 ? "" : "s", fates(r));
}

Json& write(Json& json, const SwapReport& r) {
    json.member("module", r.module).member("done", r.done).member("version", r.version);
    json.member("generation", r.generation).member("step", r.step).member("reason", r.reason);
    json.member("prepare_ms", r.prepare_ms).member("meet_ms", r.meet_ms).member("pause_ms", r.pause_ms);
    json.member("retire_ms", r.retire_ms).member("unmapped", r.unmapped).member("waited", r.waited);
    json.member("waited_max_ms", r.waited_max_ms).member("waited_p99_ms", r.waited_p99_ms).list("modules");
    for (const auto& m : r.modules) {
        json.object().member("name", m.module).member("version", m.version).member("generation", m.generation);
        json.member("state_bytes", m.state_bytes).member("slots", m.slots).member("unmapped", m.unmapped);
        json.member("old_image", m.old_image).end();
    }
    return json.end_list();
}

}   // namespace tambo
