// Stats as JSON: what /status.json and `tamboctl stats --json` say, to the letter.
#include <chrono>
#include <numeric>

#include <tambo/server.hpp>
#include <tambo/time.hpp>

#include "server/json.hpp"
#include "server/swap_report.hpp"

namespace tambo {

namespace {

constexpr double ms_per_second = 1000;

double seconds_between(Time from, Time to) { return std::chrono::duration<double>(to - from).count(); }

void write_kinds(Json& json, std::string_view direction, const Stats::Kinds& kinds) {
    json.object(direction);
    json.member("messages", kinds.messages).member("presences", kinds.presences).member("iqs", kinds.iqs).end();
}

void write_stanzas(Json& json, const Stats& stats) {
    json.object("stanzas");
    write_kinds(json, "in", stats.in);
    write_kinds(json, "out", stats.out);
    json.end();
}

void write_wires(Json& json, const std::vector<Stats::Wire>& wires) {
    json.list("wires");
    for (const auto& w : wires)
        json.object()
            .member("codec", w.codec)
            .member("bytes_in", w.bytes_in)
            .member("bytes_out", w.bytes_out)
            .member("saved_in", w.saved_in)
            .member("saved_out", w.saved_out)
            .end();
    json.end_list();
}

// In milliseconds, since commits are fast; the last bucket has no bound.
void write_store(Json& json, const Stats& stats) {
    const auto& [bounds, counts, sum] = stats.commits;
    json.object("store").member("waiting", stats.store_waiting).object("commits");
    json.member("count", std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
    json.member("sum_ms", sum * ms_per_second).list("buckets");
    for (std::size_t i = 0; i < counts.size(); ++i) {
        json.object();
        if (i < bounds.size())
            json.member("up_to_ms", bounds[i] * ms_per_second);
        else
            json.key("up_to_ms").raw("null");
        json.member("count", counts[i]).end();
    }
    json.end_list().end().end();
}

void write_modules(Json& json, const std::vector<ModuleFigures>& modules) {
    json.list("modules");
    for (const auto& m : modules)
        json.object()
            .member("name", m.name)
            .member("version", m.version)
            .member("generation", m.generation)
            .member("calls", m.calls)
            .member("nanoseconds", m.nanoseconds)
            .member("state", m.state)
            .member("faults", m.faults)
            .member("restarts", m.restarts)
            .member("roll_backs", m.roll_backs)
            .member("image_bytes", m.image_bytes)
            .end();
    json.end_list();
}

void write_figures(Json& json, const std::vector<Figure>& figures) {
    json.list("figures");
    for (const auto& f : figures)
        json.object()
            .member("module", f.module)
            .member("name", f.name)
            .member("help", f.help)
            .member("only_rises", f.only_rises)
            .member("value", f.value)
            .end();
    json.end_list();
}

void write_swaps(Json& json, const Stats& stats) {
    json.object("swaps").member("done", stats.swaps_done).member("refused", stats.swaps_refused);
    json.member("pinned_images", stats.pinned_images).list("latest");
    for (const auto& [time, kind, report] : stats.swaps)
        write(json.object().member("time", format_time(time)).member("kind", kind), report).end();
    json.end_list().end();
}

}   // namespace

std::string to_json(const Stats& stats) {
    Json json;
    json.object().member("version", stats.version);
    json.member("started", format_time(stats.started)).member("now", format_time(stats.now));
    json.member("uptime_seconds", seconds_between(stats.started, stats.now));
    json.member("shards", stats.shards).member("connections", stats.connections).member("sessions", stats.sessions);
    json.member("detached", stats.detached).member("accounts_in_memory", stats.accounts_in_memory);
    json.member("resident_bytes", stats.resident_bytes);
    write_stanzas(json, stats);
    write_wires(json, stats.wires);
    write_store(json, stats);
    write_modules(json, stats.modules);
    write_figures(json, stats.figures);
    write_swaps(json, stats);
    json.end();
    return json.take();
}

}   // namespace tambo
