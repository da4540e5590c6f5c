// Where a message came from, if its sender counts what the server has taken over (XEP-0198).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <tambo/stanza.hpp>

namespace tambo {

class LocalSession;
class Shard;

/// Outlives its session in the stanzas that it sent. What is atomic may be read on any thread.
struct SessionOrigin final : detail::Trail::Origin, std::enable_shared_from_this<SessionOrigin> {
    SessionOrigin(Shard& shard, LocalSession& owner, std::uint64_t number) noexcept
        : home(shard), device(number), session(&owner) {}
    void settled(std::uint64_t number) noexcept override;

    Shard& home;   ///< not to be touched when it is gone
    const std::uint64_t device;
    LocalSession* session;                ///< home's thread only; null when it has ended
    std::atomic<std::uint64_t> kept{0};   ///< all its stanzas up to this one are counted on disk
    std::atomic<bool> is_durable{false}, is_gone{false};
};

/// Durable sessions, for whoever has only their number from the disk, on any shard. Any thread.
class Origins {
public:
    void add(const std::shared_ptr<SessionOrigin>& origin) {
        const std::lock_guard lock{lock_};
        known_[origin->device] = origin;
    }
    void remove(std::uint64_t device) {
        const std::lock_guard lock{lock_};
        known_.erase(device);
    }
    /// Null if it has not come back, or has ended.
    std::shared_ptr<SessionOrigin> find(std::uint64_t device) const {
        const std::lock_guard lock{lock_};
        const auto at = known_.find(device);
        return at == known_.end() ? nullptr : at->second.lock();
    }

private:
    mutable std::mutex lock_;
    std::unordered_map<std::uint64_t, std::weak_ptr<SessionOrigin>> known_;
};

}   // namespace tambo
