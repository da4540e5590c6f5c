#include "exposition.hpp"

#include <chrono>
#include <limits>
#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <utility>
#include <vector>

namespace tambo {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<std::pair<std::string, std::string>>;

constexpr double nanoseconds_per_second = 1e9;

/// Families, in the order in which they are opened.
class Page {
public:
    Page& family(std::string name, std::string help, MetricType type) {
        families_.push_back({std::move(name), std::move(help), type, {}});
        return *this;
    }
    Page& counter(std::string name, std::string help) {
        return family(std::move(name), std::move(help), MetricType::Counter);
    }
    Page& gauge(std::string name, std::string help) {
        return family(std::move(name), std::move(help), MetricType::Gauge);
    }

    /// One more value of the family that was opened last.
    template <class T>
    Page& value(T value, Labels labels = {}) {
        auto& metric = add(std::move(labels));
        if (families_.back().type == MetricType::Counter)
            metric.counter.value = static_cast<double>(value);
        else
            metric.gauge.value = static_cast<double>(value);
        return *this;
    }

    Page& histogram(std::string name, std::string help, const Histogram& from) {
        family(std::move(name), std::move(help), MetricType::Histogram);
        auto& to = add({}).histogram;
        to.sample_sum = from.sum;
        for (std::size_t i = 0; i < from.counts.size(); ++i) {
            to.sample_count += from.counts[i];
            const bool is_last = i >= from.bounds.size();
            to.bucket.push_back({to.sample_count, is_last ? std::numeric_limits<double>::infinity() : from.bounds[i]});
        }
        return *this;
    }

    /// Without families of which there is nothing to say yet.
    std::string text() {
        std::erase_if(families_, [](const MetricFamily& family) { return family.metric.empty(); });
        return prometheus::TextSerializer{}.Serialize(families_);
    }

private:
    ClientMetric& add(Labels labels) {
        auto& metric = families_.back().metric.emplace_back();
        for (auto& [name, value] : labels) metric.label.push_back({std::move(name), std::move(value)});
        return metric;
    }
    std::vector<MetricFamily> families_;
};

double seconds_since_1970(Time time) { return std::chrono::duration<double>(time.time_since_epoch()).count(); }

void add_process(Page& page, const Stats& s) {
    page.gauge("tambo_build_info", "Always 1; the labels say what runs.").value(1, {{"version", s.version}});
    page.gauge("tambo_start_time_seconds", "When the server started, in seconds since 1970.")
        .value(seconds_since_1970(s.started));
    page.gauge("tambo_uptime_seconds", "How long the server has been up.")
        .value(std::chrono::duration<double>(s.now - s.started).count());
    page.gauge("tambo_shards", "Shards, each with a thread of its own.").value(s.shards);
    page.gauge("tambo_resident_memory_bytes", "Memory of the process that is not swapped out.").value(s.resident_bytes);
}

void add_clients(Page& page, const Stats& s) {
    page.gauge("tambo_connections", "Connections of clients, logged in or not.").value(s.connections);
    page.gauge("tambo_sessions", "Bound resources, those that wait for their client included.").value(s.sessions);
    page.gauge("tambo_sessions_detached", "Sessions whose client is away and may come back.").value(s.detached);
    page.gauge("tambo_accounts_in_memory", "Accounts whose data is in memory.").value(s.accounts_in_memory);
}

void add_kinds(Page& page, std::string_view direction, const Stats::Kinds& kinds) {
    for (const auto& [kind, n] :
         {std::pair{"message", kinds.messages}, {"presence", kinds.presences}, {"iq", kinds.iqs}})
        page.value(n, {{"direction", std::string{direction}}, {"kind", kind}});
}

void add_traffic(Page& page, const Stats& s) {
    page.counter("tambo_stanzas_total", "Stanzas from clients (in) and to clients (out).");
    add_kinds(page, "in", s.in);
    add_kinds(page, "out", s.out);
    page.counter("tambo_bytes_total", "Bytes from clients (in) and to clients (out), before TLS.");
    for (const auto& w : s.wires)
        page.value(w.bytes_in, {{"codec", w.codec}, {"direction", "in"}})
            .value(w.bytes_out, {{"codec", w.codec}, {"direction", "out"}});
    const auto as_xml = [](std::uint64_t bytes, std::int64_t saved) {
        return static_cast<double>(bytes) + static_cast<double>(saved);
    };
    page.counter("tambo_xml_bytes_total", "What those bytes would have been as XML.");
    for (const auto& w : s.wires)
        page.value(as_xml(w.bytes_in, w.saved_in), {{"codec", w.codec}, {"direction", "in"}})
            .value(as_xml(w.bytes_out, w.saved_out), {{"codec", w.codec}, {"direction", "out"}});
}

void add_store(Page& page, const Stats& s) {
    page.gauge("tambo_store_waiting_requests", "Requests that the store's thread has yet to answer.")
        .value(s.store_waiting);
    page.histogram("tambo_store_commit_duration_seconds", "How long group commits took.", s.commits);
}

void add_swaps(Page& page, const Stats& s) {
    page.counter("tambo_swaps_total", "Modules loaded, swapped or unloaded, or what of it was refused.")
        .value(s.swaps_done, {{"outcome", "done"}})
        .value(s.swaps_refused, {{"outcome", "refused"}});
    page.gauge("tambo_pinned_images", "Old images of modules that stay in memory.").value(s.pinned_images);
}

void add_modules(Page& page, const Stats& s) {
    const auto each = [&](auto&& value) {
        for (const auto& m : s.modules) page.value(value(m), {{"module", m.name}});
    };
    page.counter("tambo_module_handler_seconds_total", "Time in the module's handlers; an estimate from samples.");
    each([](const ModuleFigures& m) { return static_cast<double>(m.nanoseconds) / nanoseconds_per_second; });
    page.counter("tambo_module_handler_calls_total", "Calls of the module's handlers; an estimate from samples.");
    each([](const ModuleFigures& m) { return m.calls; });
    page.counter("tambo_module_faults_total", "Handlers of the module that threw.");
    each([](const ModuleFigures& m) { return m.faults; });
    page.counter("tambo_module_restarts_total", "Times that the module was rebuilt on a shard, after too many faults.");
    each([](const ModuleFigures& m) { return m.restarts; });
    page.counter("tambo_module_rollbacks_total", "Versions of the module that failed soon after their swap, and went.");
    each([](const ModuleFigures& m) { return m.roll_backs; });
    page.gauge("tambo_module_left_out", "1 if the module is left out on some shard, since it failed again and again.");
    each([](const ModuleFigures& m) { return m.state == "left out" ? 1 : 0; });
    page.gauge("tambo_module_generation", "Number of the image that runs; it rises with each swap.");
    each([](const ModuleFigures& m) { return m.generation; });
    page.gauge("tambo_module_image_bytes", "Memory mapped for the module's code and data.");
    each([](const ModuleFigures& m) { return m.image_bytes; });
}

bool may_be_in_a_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// A module's name may have a hyphen, a metric's may not.
std::string metric_name(const Figure& figure) {
    auto name = "tambo_" + figure.module + "_" + figure.name;
    for (auto& c : name)
        if (!may_be_in_a_name(c)) c = '_';
    if (figure.only_rises && !name.ends_with("_total")) name += "_total";
    return name;
}

void add_figures(Page& page, const Stats& s) {
    for (const auto& f : s.figures)
        page.family(metric_name(f), f.help, f.only_rises ? MetricType::Counter : MetricType::Gauge).value(f.value);
}

}   // namespace

std::string exposition(const Stats& stats) {
    Page page;
    add_process(page, stats);
    add_clients(page, stats);
    add_traffic(page, stats);
    add_store(page, stats);
    add_swaps(page, stats);
    add_modules(page, stats);
    add_figures(page, stats);
    return page.text();
}

}   // namespace tambo
