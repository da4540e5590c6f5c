// How long to wait before something that failed is tried again.
#pragma once

#include <algorithm>
#include <chrono>

/// Who has lived for a while is brought back at once. Who dies again and again, as soon as it lives, waits twice as
/// long each time, and not exactly that long: what was thrown out of many places at one moment must not come back at
/// one.
class BackOff {
public:
    using Duration = std::chrono::milliseconds;
    static constexpr Duration long_life{10'000}, first_pause{100}, longest_pause{15'000};

    /// After a life of that length; `luck` is from [0, 1).
    Duration after(Duration life, double luck) noexcept {
        short_lives_ = life < long_life ? std::min(short_lives_ + 1, 10U) : 0;
        if (short_lives_ < 2) return Duration::zero();
        const auto pause = std::min(first_pause * (1U << (short_lives_ - 2)), longest_pause);
        return pause / 2 + std::chrono::duration_cast<Duration>(pause / 2 * luck);
    }

private:
    unsigned short_lives_ = 0;
};
