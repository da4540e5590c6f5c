// How long to wait before a lost link is tried again.
#pragma once

#include <algorithm>
#include <chrono>

namespace tambo::funxmpp {

/// t = min(2^attempt * base, max) + random(0, jitter): soon after a short gap, seldom while there is no network, and
/// never all phones of a cell at one moment.
class BackOff {
public:
    using Duration = std::chrono::milliseconds;
    struct Times {
        Duration base{1'000}, max{60'000}, jitter{3'000};
    };

    explicit BackOff(const Times& times) noexcept : times_(times) {}

    /// After one more failure; `luck` is from [0, 1).
    Duration next(double luck) noexcept {
        const auto pause = std::min(times_.base * (std::int64_t{1} << attempt_), times_.max);
        if (pause < times_.max) ++attempt_;   // so that it never shifts further than that
        return pause + std::chrono::duration_cast<Duration>(times_.jitter * luck);
    }
    void succeeded() noexcept { attempt_ = 0; }

private:
    const Times times_;
    unsigned attempt_ = 0;
};

}   // namespace tambo::funxmpp
