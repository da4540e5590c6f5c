// How long to wait before the next try.
#pragma once

#include <algorithm>
#include <optional>

#include <tambo/option.hpp>

namespace tambo {

/// Waits that double from one try to the next, and are a little different each time, so that what failed together does
/// not come back together. After a quiet time it begins anew.
class BackOff {
public:
    struct Limits {
        Duration first, most;   ///< the first wait, and what no wait exceeds
        unsigned tries;         ///< without a quiet time in between
        Duration quiet;
    };
    explicit BackOff(const Limits& limits) : limits_(limits) {}

    /// It has failed: how long to wait, or nothing, if it was tried often enough. `luck` is from 0 to 1: a wait is at
    /// least half as long as it could be.
    std::optional<Duration> next(double luck) {
        at_work_since_.reset();   // who waits is quiet, but that does not count
        if (tries_ >= limits_.tries) return std::nullopt;
        auto whole = limits_.first;
        for (unsigned i = 0; i < tries_ && whole < limits_.most; ++i) whole *= 2;
        whole = std::min(whole, limits_.most);
        ++tries_;
        const auto half = whole / 2;
        return half + std::chrono::duration_cast<Duration>((whole - half) * luck);
    }
    /// It is at work, and is disturbed now, or begins: quiet counts from here.
    void disturbed(Duration now) {
        if (at_work_since_ && now - *at_work_since_ >= limits_.quiet) tries_ = 0;
        at_work_since_ = now;
    }
    unsigned tries() const noexcept { return tries_; }

private:
    Limits limits_;
    unsigned tries_ = 0;
    std::optional<Duration> at_work_since_;
};

}   // namespace tambo
