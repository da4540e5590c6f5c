#include "server/watchdog.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "shard/shard.hpp"
#include "store/signals_blocked.hpp"

namespace tambo {

namespace {

using namespace std::chrono_literals;

SlowHandler::Span period(Duration limit) { return std::clamp<SlowHandler::Span>(limit / 4, 10ms, 100ms); }

std::string seconds(SlowHandler::Span span) {
    return fmt::format("{:.1f} s", std::chrono::duration<double>(span).count());
}

}   // namespace

Watchdog::Watchdog(Kernel& kernel)
    : kernel_(kernel),
      log_(kernel.logger.named("watchdog")),
      period_(period(kernel.settings.kernel.slow_handler)),
      shards_(kernel.shards.size(), SlowHandler{kernel.settings.kernel.slow_handler}) {}

Watchdog::~Watchdog() { stop(); }

void Watchdog::start() {
    if (kernel_.settings.kernel.slow_handler == Duration::zero()) return;
    const SignalsBlocked of_our_threads;
    thread_ = std::thread{[this] { run(); }};
}

void Watchdog::stop() {
    {
        const std::lock_guard guard{lock_};
        stopping_ = true;
        called_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void Watchdog::run() {
    std::unique_lock lock{lock_};
    while (!called_.wait_for(lock, period_, [this] { return stopping_; })) look();
}

void Watchdog::look() {
    const auto now = std::chrono::steady_clock::now();
    const bool was_asleep = now - looked_ > period_ + 1s;   // the whole process, or the machine
    looked_ = now;
    for (auto& shard : kernel_.shards) {
        auto& slow = shards_[shard->index];
        if (was_asleep) slow.forget();
        const auto entries = shard->entries.load(std::memory_order_relaxed);
        if (const auto found = slow.look(entries, shard->crumb.load(std::memory_order_relaxed), now))
            say(*shard, *found);
    }
}

void Watchdog::say(const Shard& shard, const SlowHandler::Finding& finding) {
    const std::string module = finding.module;
    if (finding.is_over)
        return log_->warning("module {} lets go of shard {}, after {}", module, shard.index, seconds(finding.lasted));
    log_->error("module {} has held shard {} for {}; all whose accounts live there wait", module, shard.index,
                seconds(finding.lasted));
    if (known_.insert(module).second) return;   // it may have been an accident
    kernel_.desk.tell({.kind = ModuleNews::Kind::stuck,
                       .module = module,
                       .shard = shard.index,
                       .when = kernel_.clock->steady(),
                       .text = "it has held the shard for " + seconds(finding.lasted)});
}

}   // namespace tambo
