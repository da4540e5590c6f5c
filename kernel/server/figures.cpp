#include "server/figures.hpp"

#include <utility>

namespace tambo {

Counter& FigureBoard::counter(const Name& name, unsigned shard) {
    const std::lock_guard guard{lock_};
    auto& row = rows_[{name.module, name.name}];
    row.help = name.help;
    return row.counters[shard];
}

Gauge& FigureBoard::gauge(const Name& name, unsigned shard) {
    const std::lock_guard guard{lock_};
    auto& row = rows_[{name.module, name.name}];
    row.help = name.help;
    return row.gauges[shard];
}

ModuleCost& FigureBoard::cost(const std::string& module, unsigned shard) {
    const std::lock_guard guard{lock_};
    return costs_[module][shard];
}

std::vector<Figure> FigureBoard::figures() const {
    const std::lock_guard guard{lock_};
    std::vector<Figure> all;
    for (const auto& [key, row] : rows_) {
        Figure figure{key.first, key.second, row.help, row.gauges.empty(), 0};
        for (const auto& [shard, cell] : row.counters) figure.value += static_cast<double>(cell.value());
        for (const auto& [shard, cell] : row.gauges) figure.value += static_cast<double>(cell.value());
        all.push_back(std::move(figure));
    }
    return all;
}

std::pair<std::uint64_t, std::uint64_t> FigureBoard::spent(const std::string& module) const {
    const std::lock_guard guard{lock_};
    std::pair<std::uint64_t, std::uint64_t> sum{0, 0};
    const auto at = costs_.find(module);
    if (at == costs_.end()) return sum;
    for (const auto& [shard, cost] : at->second) {
        sum.first += cost.calls.value();
        sum.second += cost.nanoseconds.value();
    }
    return sum;
}

std::uint64_t FigureBoard::faults(const std::string& module) const {
    const std::lock_guard guard{lock_};
    std::uint64_t sum = 0;
    const auto at = costs_.find(module);
    if (at == costs_.end()) return sum;
    for (const auto& [shard, cost] : at->second) sum += cost.faults.load(std::memory_order_relaxed);
    return sum;
}

}   // namespace tambo
