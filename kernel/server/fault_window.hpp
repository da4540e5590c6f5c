// How often something happened lately.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <tambo/option.hpp>

namespace tambo {

/// Counts within a window of time that moves along. Keeps no more than the `most` latest times.
class FaultWindow {
public:
    /// `most` may happen within `window`; 0: anything may.
    FaultWindow(std::size_t most, Duration window) : most_(most), window_(window) {}

    /// It happened; true if that was once too often. `now` never goes back.
    bool add(Duration now) {
        if (most_ == 0) return false;
        std::erase_if(times_, [&](Duration time) { return now - time >= window_; });
        if (times_.size() >= most_) return true;
        times_.push_back(now);
        return false;
    }
    void clear() noexcept { times_.clear(); }

private:
    std::size_t most_;
    Duration window_;
    std::vector<Duration> times_;
};

}   // namespace tambo
