// What the clients of the load test have seen: counts that have to be nought, counts that tell how much was done.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

namespace load {

/// Durations by size, with steps of an eighth.
class Times {
public:
    void add(std::chrono::nanoseconds took) noexcept {
        const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count() / 1000, 1));
        ++counts_[slot(us)];
        ++total_;
        max_us_ = std::max(max_us_, us);
    }
    std::uint64_t count() const noexcept { return total_; }
    double max_ms() const noexcept { return static_cast<double>(max_us_) / 1000; }
    /// No less than this share of them took, in milliseconds.
    double quantile_ms(double share) const noexcept {
        auto left = static_cast<std::uint64_t>(share * static_cast<double>(total_));
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            if (counts_[i] > left) return static_cast<double>(upper_us(i)) / 1000;
            left -= counts_[i];
        }
        return max_ms();
    }

private:
    static constexpr unsigned fine_bits = 3;
    static std::size_t slot(std::uint64_t us) noexcept {
        const auto width = static_cast<unsigned>(std::bit_width(us));
        if (width <= fine_bits + 1) return us;
        const auto shift = width - fine_bits - 1;
        return (std::size_t{shift} << fine_bits) + (us >> shift);
    }
    static std::uint64_t upper_us(std::size_t slot) noexcept {
        if (slot < 2U << fine_bits) return slot;
        const auto shift = (slot >> fine_bits) - 1;
        return ((slot - (shift << fine_bits) + 1) << shift) - 1;
    }
    std::array<std::uint64_t, 512> counts_{};
    std::uint64_t total_ = 0, max_us_ = 0;
};

/// Written by the clients' thread, read by another one for what it says meanwhile.
struct Ledger {
    // has to stay nought
    std::atomic<std::uint64_t> dropped{0}, lost{0}, repeated{0}, out_of_order{0}, refused{0};
    // how much was done
    std::atomic<std::uint64_t> messages{0}, logins{0}, resumptions{0}, returns{0}, requests{0}, retried_logins{0};
    /// Round trips before the first reload, and while modules are reloaded. Only for the clients' thread while it runs.
    Times quiet, reloading;

    /// Something that should not have been; the first few about each count are kept.
    void complain(std::atomic<std::uint64_t>& count, const std::string& what, std::uint64_t how_many = 1) {
        const std::lock_guard guard{lock_};
        if (count < kept_of_each) complaints_ += "  " + what + "\n";
        count += how_many;
    }
    std::string complaints() const {
        const std::lock_guard guard{lock_};
        return complaints_;
    }
    bool is_clean() const noexcept {
        return dropped == 0 && lost == 0 && repeated == 0 && out_of_order == 0 && refused == 0;
    }

private:
    static constexpr std::uint64_t kept_of_each = 8;
    mutable std::mutex lock_;
    std::string complaints_;
};

}   // namespace load
