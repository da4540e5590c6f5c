// What goes into one commit of the journal.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tambo/store.hpp>

#include "route/entry.hpp"

namespace tambo {

/// Made on a shard, written by the store thread, looked at again on the shard when the commit is known. Until then
/// nobody changes Entry::data.
struct JournalBatch {
    struct Erase {
        Jid owner;
        std::vector<std::uint64_t> sequences;
    };
    struct Put {
        Jid owner;
        KeptSession session;
    };
    struct Count {
        std::uint64_t device, accepted, acknowledged;
    };

    std::vector<Put> sessions;
    std::vector<Count> counts;
    std::vector<std::shared_ptr<Entry>> appends;
    std::vector<std::shared_ptr<Entry>> holds;   ///< of entries that are on disk
    std::vector<Erase> erases;
    std::vector<std::uint64_t> ended;   ///< devices

    /// What is to be told when it is committed.
    struct Told {
        std::shared_ptr<SessionOrigin> origin;
        std::uint64_t accepted;
    };
    std::vector<Told> told;
    std::vector<std::shared_ptr<Entry>> erased;

    bool empty() const noexcept {
        return sessions.empty() && counts.empty() && appends.empty() && holds.empty() && erases.empty() &&
               ended.empty();
    }
    std::size_t bytes() const noexcept;
    void write(StoreDriver& driver) const;   ///< the same when it is done twice, after a rollback
};

}   // namespace tambo
