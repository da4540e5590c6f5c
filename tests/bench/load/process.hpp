// What processes use, and whether anybody else uses the machine.
#pragma once

#include <cstdint>
#include <vector>

#include "figures.hpp"

namespace bench {

std::uint64_t now_ns() noexcept;   ///< of the monotonic clock

double cpu_seconds(const std::vector<int>& pids);
double own_cpu_seconds();
double proportional_bytes(const std::vector<int>& pids);   ///< PSS

/// A stretch of time: what server, load generator and strangers took of the machine.
class Span {
public:
    explicit Span(const std::vector<int>& pids) : pids_(&pids) {}

    void begin();
    void end();

    double seconds() const noexcept { return end_.time - begin_.time; }
    double server_cpu() const noexcept { return end_.server - begin_.server; }
    double own_cpu() const noexcept { return end_.own - begin_.own; }
    /// other_cores: used by strangers; steal_pct: taken by the host.
    void add_disturbance(Json& json) const;

private:
    struct Point {
        double time = 0, server = 0, own = 0, busy = 0, stolen = 0;
    };
    Point now() const;

    const std::vector<int>* pids_;
    Point begin_, end_;
};

}   // namespace bench
