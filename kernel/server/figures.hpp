// What is counted by name: the modules' own figures and what their handlers cost.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include <tambo/metric.hpp>
#include <tambo/server.hpp>

namespace tambo {

/// Time in a module's handlers on one shard; written by that shard's thread.
struct ModuleCost {
    Counter calls, nanoseconds;
    std::atomic<std::uint64_t> faults{0};   ///< of all its versions; from any thread
};

/// Owns every cell for as long as the server lives: a module that is swapped finds its figures again, and a reader
/// never meets a module's code. Any thread.
class FigureBoard {
public:
    struct Name {
        std::string module, name, help;
    };
    Counter& counter(const Name& name, unsigned shard);
    Gauge& gauge(const Name& name, unsigned shard);
    ModuleCost& cost(const std::string& module, unsigned shard);

    std::vector<Figure> figures() const;   ///< added up over shards, by module and name
    /// Calls and nanoseconds of a module, as far as they were measured.
    std::pair<std::uint64_t, std::uint64_t> spent(const std::string& module) const;
    std::uint64_t faults(const std::string& module) const;   ///< of all its versions

private:
    struct Row {
        std::string help;
        std::map<unsigned, Counter> counters;
        std::map<unsigned, Gauge> gauges;
    };
    mutable std::mutex lock_;
    std::map<std::pair<std::string, std::string>, Row> rows_;
    std::map<std::string, std::map<unsigned, ModuleCost>, std::less<>> costs_;
};

/// Charges modules with the time of their handlers, in one turn of the loop out of `sampled`. One per shard, used on
/// its thread. A handler that makes another module's handler run is not charged for that.
class Meter {
public:
    static constexpr std::uint64_t sampled = 32;

    void begin_turn() noexcept { is_on_ = ++turns_ % sampled == 0; }
    bool is_on() const noexcept { return is_on_; }
    /// Returns whom leave() goes back to.
    ModuleCost* enter(ModuleCost* cost) noexcept {
        charge();
        cost->calls.add();
        return std::exchange(current_, cost);
    }
    void leave(ModuleCost* outer) noexcept {
        charge();
        current_ = outer;
    }

private:
    using Clock = std::chrono::steady_clock;
    void charge() noexcept {
        const auto now = Clock::now();
        if (current_ != nullptr) current_->nanoseconds.add(static_cast<std::uint64_t>((now - since_).count()));
        since_ = now;
    }
    std::uint64_t turns_ = 0;
    bool is_on_ = false;
    ModuleCost* current_ = nullptr;
    Clock::time_point since_;
};

}   // namespace tambo
