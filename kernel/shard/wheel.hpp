// Timers of a shard: a hashed wheel. Cheap to arm, cheap to move, nothing per tick for timers that are far away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <tambo/option.hpp>

namespace tambo {

/// Keeps closures by deadline. Knows no clock: the shard tells it the time. One thread.
class Wheel {
public:
    using Id = std::uint64_t;                     ///< 0 is never given
    static constexpr Duration tick{10};           ///< nothing is early; late by at most one tick plus the loop's delay

    Wheel();
    ~Wheel();
    Id add(Duration at, std::function<void()> job);   ///< `at`: steady time
    void cancel(Id id) noexcept;                      ///< unknown ids are ignored
    /// Runs everything due at `now`, in the order of deadlines. Jobs may add and cancel.
    std::size_t advance(Duration now);
    /// When the next job is due (rounded to a tick); Duration::max() if there is none.
    Duration next() const noexcept;
    std::size_t size() const noexcept;

private:
    struct Guts;
    std::unique_ptr<Guts> guts_;
};

} // namespace tambo
