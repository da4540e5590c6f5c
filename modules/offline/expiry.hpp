// What has waited for too long goes, also for users who never come back.
#pragma once

#include <cstdint>
#include <vector>

#include <tambo/tambo.hpp>

namespace tambo::offline {

/// When an account's messages were last looked at.
struct Sweep {
    static constexpr int version = 1;
    std::int64_t at_ms = 0;   ///< uptime
};

/// Drops what waits for longer than `after` (0: never), and tells who wrote it. What a device holds does not wait.
class Expiry {
public:
    Expiry(Host& host, Duration after) : host_(host), after_(after) {}

    bool is_over(const JournalEntry& entry) const;
    void drop(Account& account, std::vector<JournalEntry> over);   ///< of what was read in this turn
    /// At what waits for this account, unless somebody has looked within `interval`.
    void look(Account& account, Duration interval);
    /// At every account of this shard for which something waits, one after the other, so slowly that nobody notices.
    void sweep();

private:
    Task<void> drop_old(Jid owner);
    Task<void> sweep_all();
    Task<void> tell_senders(Later<Result<Nothing>> dropping, std::vector<JournalEntry> dropped);

    Host& host_;
    Duration after_;
    bool is_sweeping_ = false;
    Slot<Sweep> sweeps_{"offline-sweep"};
};

}   // namespace tambo::offline
