// What is to be done about modules that fail.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/option.hpp>

#include "server/back_off.hpp"
#include "server/fault_window.hpp"
#include "server/options.hpp"

namespace tambo {

/// Only judges: it is told what happens, and says what to do. Times are the server's steady clock; no thread, no
/// module.
///
/// A module that fails too often on a shard is withdrawn there and rebuilt later, each time after a longer wait; after
/// the last try it is left out. One that fails soon after a swap goes back to the version before. A swap, whoever asked
/// for it, makes everything forgotten.
class FaultPolicy {
public:
    struct Order {
        enum class Kind : std::uint8_t { withdraw, rebuild, roll_back, end_probation };
        Kind kind;
        std::string module;
        std::uint64_t generation;
        unsigned shard = 0;
        std::string why{};   ///< for people: "11 faults within 10s on shard 0"
    };
    using Orders = std::vector<Order>;

    /// `luck` gives numbers from 0 to 1.
    FaultPolicy(const KernelSettings& settings, std::function<double()> luck);

    // --- what happened
    void swapped(const std::string& module, std::uint64_t generation, bool is_on_probation, Duration now);
    void gone(const std::string& module);
    Orders fault(const std::string& module, std::uint64_t generation, unsigned shard, Duration now);
    void rebuilt(const std::string& module, unsigned shard, Duration now);
    /// It could not even be rebuilt. Waits again, or is left out: see state().
    void not_rebuilt(const std::string& module, unsigned shard, std::string why, Duration now);
    /// There was no way back: from now on it is treated like any other.
    void not_rolled_back(const std::string& module);

    // --- what follows
    /// Rebuilds and ends of probation that are due.
    Orders due(Duration now);
    /// When due() will have something to say; Duration::max(): never, as it looks now.
    Duration next() const;

    /// How a module shows: "live", "on probation", "rebuilding", "left out", and why.
    struct State {
        std::string_view state = "live";
        std::string note{};
    };
    State state(const std::string& module) const;

private:
    struct Place {   ///< a module on one shard
        FaultWindow window;
        BackOff back_off;
        bool is_out = false;
        std::optional<Duration> retry{};   ///< out without it: for good
        std::string note{};
    };
    struct Record {
        std::uint64_t generation = 0;
        std::optional<Duration> probation{};   ///< until then
        unsigned faults_on_probation = 0;
        std::map<unsigned, Place> places{};
    };

    Record* find(const std::string& module);
    Record& record(const std::string& module, std::uint64_t generation);
    Place& place(Record& record, unsigned shard) const;
    void put_out(Place& place, unsigned shard, std::string why, Duration now);

    const KernelSettings settings_;
    const std::function<double()> luck_;
    std::map<std::string, Record> records_;
};

}   // namespace tambo
