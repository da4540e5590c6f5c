// Breadcrumb for a walk over many handlers, where it is too much to begin anew with each.
#pragma once

#include "module/instance.hpp"
#include "server/crash_note.hpp"
#include "shard/shard.hpp"

namespace tambo {

/// Names the modules that run one after the other on a shard, and in the end whoever ran before.
class Breadcrumbs {
public:
    explicit Breadcrumbs(Shard& shard) noexcept
        : shard_(shard),
          outer_instance_(shard.running),
          outer_(shard.crumb.load(std::memory_order_relaxed)),
          outer_on_thread_(on_this_thread.module),
          measured_(shard.meter.is_on()) {}
    ~Breadcrumbs() {
        shard_.running = outer_instance_;
        shard_.crumb.store(outer_, std::memory_order_relaxed);
        on_this_thread.module = outer_on_thread_;
        if (has_charged_) shard_.meter.leave(outer_cost_);
    }
    Breadcrumbs(const Breadcrumbs&) = delete;
    Breadcrumbs& operator=(const Breadcrumbs&) = delete;

    /// From now on it is this one.
    void at(Instance& instance) noexcept {
        shard_.running = &instance;
        if (outer_ == nullptr)   // one entry for each call, so that the watchdog tells two short ones from a long one
            shard_.entries.store(shard_.entries.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        shard_.crumb.store(instance.crumb(), std::memory_order_relaxed);
        on_this_thread.module = instance.crumb();
        if (measured_) [[unlikely]]
            charge(instance);
    }

private:
    void charge(Instance& instance) noexcept {
        auto* before = shard_.meter.enter(&instance.cost());
        if (!std::exchange(has_charged_, true)) outer_cost_ = before;
    }

    Shard& shard_;
    Instance* const outer_instance_;
    const char* const outer_;
    const char* const outer_on_thread_;
    ModuleCost* outer_cost_ = nullptr;
    const bool measured_;
    bool has_charged_ = false;
};

}   // namespace tambo
