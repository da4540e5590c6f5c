// What a run found out: counts, latencies, and the line of JSON that says so.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

/// A log-linear histogram of nanoseconds, 64 steps for each power of two: at most 1.6 % wrong.
class Histogram {
public:
    void add(std::uint64_t value) noexcept;
    std::uint64_t count() const noexcept { return count_; }
    double mean() const noexcept { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
    double percentile(double percent) const noexcept;
    std::uint64_t most() const noexcept { return most_; }

private:
    static constexpr std::uint32_t bits = 6, steps = 1U << bits, largest_bits = 47;

    static std::uint32_t index(std::uint64_t value) noexcept;
    static double value(std::uint32_t index) noexcept;

    std::uint64_t count_ = 0, sum_ = 0, most_ = 0;
    std::array<std::uint32_t, (largest_bits - bits + 2) * steps> cells_{};
};

/// One line of JSON.
class Json {
public:
    Json& add(std::string_view key, double value);
    Json& add(std::string_view key, std::string_view value);
    Json& add_unless_zero(std::string_view key, std::uint64_t value);
    /// `name`_n, _mean, _p50 … _max, in units of `unit_ns`.
    Json& add(std::string_view name, const Histogram& histogram, double unit_ns);
    void print() const;   ///< to the standard output, at once

private:
    void key(std::string_view key);

    std::string text_ = "{";
};

/// What happened.
struct Counters {
    // Logins.
    std::uint64_t up = 0, failed = 0, existed = 0, retried = 0, dropped = 0;
    // Why they failed.
    std::uint64_t no_connection = 0, reset = 0, no_tls = 0, refused = 0, stream_error = 0, timed_out = 0, odd = 0;
    // Messages and presences.
    std::uint64_t sent = 0, received = 0, lost = 0, repeated = 0, reordered = 0, misrouted = 0, bounced = 0, stale = 0,
                  unexpected = 0, unsent = 0;

    void add_to(Json& json) const;   ///< those that ought to be zero, and aren't
};

}   // namespace bench
