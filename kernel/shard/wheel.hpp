// Timers of a shard: a hierarchical wheel. Cheap to arm, cheap to cancel, nothing per tick for timers that are far
// away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <tambo/option.hpp>

namespace tambo {

/// Keeps closures by deadline. Knows no clock: the shard tells it the time. One thread.
/// Adding and cancelling take constant time; an armed timer costs 56 bytes plus what its closure allocates.
class Wheel {
public:
    using Id = std::uint64_t;   ///< 0 is never given; the id of a job that ran or was cancelled stays harmless
    static constexpr Duration tick{10};   ///< nothing is early; late by at most one tick plus the loop's delay

    Wheel();
    ~Wheel();
    Wheel(const Wheel&) = delete;
    Wheel& operator=(const Wheel&) = delete;

    Id add(Duration at,
           std::function<void()> job);   ///< `at`: steady time; a time gone by is due at the next advance()
    void cancel(Id id) noexcept;         ///< unknown ids are ignored
    /// Runs everything due at `now`, in the order of deadlines (equal ones as they were added), and returns how many
    /// ran. Jobs may add and cancel, also each other; what they add runs in a later advance(), even if it is due
    /// already. Jobs must not throw and must not call advance().
    std::size_t advance(Duration now);
    /// When to call advance() again: when the next job is due, rounded up to a tick; sooner if that is far away (then
    /// advance() only sorts, and next() knows better). Duration::max() if there is no job.
    Duration next() const noexcept;
    std::size_t size() const noexcept;

private:
    struct Guts;
    std::unique_ptr<Guts> guts_;
};

}   // namespace tambo
