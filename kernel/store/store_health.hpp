// What the operator hears of the store.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include <tambo/log.hpp>

namespace tambo {

/// Tells the operator how the store is: once for each cause, and once when it is well again. Store thread only.
class StoreHealth {
    using Steady = std::chrono::steady_clock;

public:
    explicit StoreHealth(Log& log) : log_(log) {}

    void failed(const std::string& cause, std::size_t requests) {
        refused_ += requests;
        if (cause == cause_) return;
        cause_ = cause;
        log_.error(
            "store fails: {}; requests are refused until it works again, nothing is acknowledged that was not kept",
            cause);
    }

    /// One request failed where others succeed. The same cause is told once a minute, since a peer may be able to
    /// repeat it.
    void refused(const std::string& cause) {
        if (cause == lone_cause_ && Steady::now() - told_ < std::chrono::minutes{1}) return;
        lone_cause_ = cause;
        told_ = Steady::now();
        log_.warning("store refused a request: {}; the others are not affected", cause);
    }

    /// Reading says nothing: it may work well on a full disk.
    void committed(Steady::duration took, bool wrote) {
        if (!wrote) return;
        if (!cause_.empty()) log_.warning("store works again; {} requests were refused meanwhile", refused_);
        cause_.clear();
        refused_ = 0;
        if (took > slow && !is_slow_)
            log_.warning(
                "store is slow ({:.1f} s for a commit); what has to be kept waits, nothing is lost; is the disk busy?",
                std::chrono::duration<double>(took).count());
        if (took < quick && is_slow_)
            log_.info("store is quick again ({:.0f} ms for a commit)",
                      std::chrono::duration<double, std::milli>(took).count());
        if (took > slow) is_slow_ = true;
        if (took < quick) is_slow_ = false;
    }

private:
    static constexpr Steady::duration slow = std::chrono::seconds{1};
    static constexpr Steady::duration quick = std::chrono::milliseconds{200};

    Log& log_;
    std::string cause_, lone_cause_;
    std::size_t refused_ = 0;
    Steady::time_point told_;
    bool is_slow_ = false;
};

}   // namespace tambo
