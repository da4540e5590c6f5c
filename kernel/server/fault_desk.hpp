// Where shards and the loader tell the supervisor what happened to modules.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <tambo/option.hpp>

namespace tambo {

/// Something that happened to a module.
struct ModuleNews {
    enum class Kind : std::uint8_t {
        fault,     ///< code of it failed, on one shard
        stuck,     ///< a handler of it held the shard too long, and not for the first time
        swapped,   ///< a generation of it went live, on all shards
        gone       ///< it was unloaded
    };
    Kind kind = Kind::fault;
    std::string module;
    std::uint64_t generation = 0;   ///< 0: the one that is live, whichever that is
    unsigned shard = 0;
    Duration when{};
    std::string text{};             ///< stuck: for how long
    bool is_on_probation = false;   ///< swapped: there is a version before
};

/// Any thread may tell; one asks. What is told costs a lock and wakes somebody: it is for what is rare. Faults beyond
/// `most_faults` that nobody has asked for yet are dropped: they would change nothing.
class FaultDesk {
public:
    static constexpr std::size_t most_faults = 1000;

    void tell(ModuleNews news) noexcept {
        try {
            const std::lock_guard guard{lock_};
            if (news.kind == ModuleNews::Kind::fault && news_.size() >= most_faults) return;
            news_.push_back(std::move(news));
            if (wake_ && news_.size() == 1) wake_();
        } catch (...) {   // NOLINT(bugprone-empty-catch): no memory for it; there will be more of the same
        }
    }
    /// In the order in which it was told.
    std::vector<ModuleNews> take() {
        const std::lock_guard guard{lock_};
        return std::exchange(news_, {});
    }
    /// Called, under the lock, when there is news after there was none. Must not block.
    void when_told(std::function<void()> wake) {
        const std::lock_guard guard{lock_};
        wake_ = std::move(wake);
    }

private:
    std::mutex lock_;
    std::vector<ModuleNews> news_;
    std::function<void()> wake_;
};

}   // namespace tambo
