// Server::stats(): one moment's look at everything that is counted.
#include <algorithm>
#include <fstream>
#include <mutex>
#include <unistd.h>

#include "server/impl.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

std::uint64_t resident_bytes() {
    std::ifstream statm{"/proc/self/statm"};
    std::uint64_t size = 0, resident = 0;
    statm >> size >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void add(Stats::Kinds& to, const KindFigures& from) {
    to.messages += from.messages.value();
    to.presences += from.presences.value();
    to.iqs += from.iqs.value();
}

void add(std::vector<Stats::Wire>& to, const std::deque<Wire>& from) {
    for (const auto& wire : from) {
        const auto& figures = wire.figures;
        if (figures.bytes_in + figures.bytes_out == 0) continue;
        auto at = std::ranges::find(to, wire.name, &Stats::Wire::codec);
        if (at == to.end()) at = to.insert(at, {.codec = wire.name});
        at->bytes_in += figures.bytes_in;
        at->bytes_out += figures.bytes_out;
        at->saved_in += figures.saved_in;
        at->saved_out += figures.saved_out;
    }
}

void add(Stats& stats, Shard& shard) {
    add(stats.in, shard.figures.in);
    add(stats.out, shard.figures.out);
    add(stats.wires, shard.wires);
    stats.accounts_in_memory += shard.figures.accounts;
    shard.each_session([&](const LocalSession& session) {
        ++stats.sessions;
        if (session.connection() == nullptr) ++stats.detached;
    });
}

ModuleFigures describe(const ModuleInfo& module, const FigureBoard& board, const Supervisor::Figures& supervisor) {
    ModuleFigures figures;
    const auto [calls, nanoseconds] = board.spent(module.name);
    figures.name = module.name;
    figures.version = module.version;
    figures.calls = calls * Meter::sampled;
    figures.nanoseconds = nanoseconds * Meter::sampled;
    figures.state = module.state;
    figures.faults = board.faults(module.name);
    figures.restarts = supervisor.restarts;
    figures.roll_backs = supervisor.roll_backs;
    figures.generation = module.generation;
    figures.image_bytes = module.image_bytes;
    return figures;
}

}   // namespace

Stats Server::stats() {
    auto& kernel = impl_->kernel();
    Stats stats;
    stats.started = kernel.started;
    stats.now = kernel.clock->now();
    stats.version = version();
    stats.connections = kernel.gate.connections();
    stats.shards = kernel.shards.size();
    std::mutex lock;
    impl_->kernel().on_each_shard([&](Shard& shard) {
        const std::lock_guard guard{lock};
        add(stats, shard);
    });
    const auto store = kernel.store.figures();
    stats.store_waiting = store.queued;
    stats.commits = store.commit_times;
    for (const auto& module : impl_->loader().modules())
        if (module.state != "draining" && module.state != "pinned")
            stats.modules.push_back(describe(module, kernel.board, impl_->over_modules().figures(module.name)));
    stats.figures = kernel.board.figures();
    auto history = impl_->loader().history();
    stats.swaps = std::move(history.latest);
    stats.swaps_done = history.done;
    stats.swaps_refused = history.refused;
    stats.pinned_images = history.pinned;
    stats.resident_bytes = resident_bytes();
    return stats;
}

}   // namespace tambo
