// Metrics: what someone would decide upon. The kernel owns the cells: a swap of the module that counts loses nothing.
#pragma once

#include <atomic>
#include <cstdint>

namespace tambo {

/// Only ever rises. `Counter& kept_` from Wiring::counter; one cell for each shard, written by that shard's thread only
/// and read by anybody. Costs as much as an ordinary integer.
class Counter {
public:
    void add(std::uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// Rises and falls; one shard's share, added up over shards when it is read.
class Gauge {
public:
    void add(std::int64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void set(std::int64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
    std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::int64_t> value_{0};
};

}   // namespace tambo
