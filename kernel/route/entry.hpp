// A message in the journal of an account of this shard, for as long as somebody is busy with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include <boost/container/small_vector.hpp>

#include <tambo/jid.hpp>
#include <tambo/store.hpp>

#include "route/origin.hpp"

namespace tambo {

class LocalSession;

/// In memory from its append until it is on disk and nobody holds it. Belongs to its account's shard; what a commit
/// under way reads (owner, data but holders) does not change any more.
struct Entry {
    enum class Stored : std::uint8_t { no, underway, yes };
    struct Held {
        LocalSession* session;
        std::uint64_t number = 0;   ///< 0: promised, not yet in what it was sent
        bool is_kept = false;       ///< that it has it as this number is on disk
    };

    Jid owner;
    JournalEntry data;
    detail::Trail trail;                     ///< ends when it is accepted
    std::shared_ptr<SessionOrigin> origin;   ///< stays known: see ShardJournal::may_erase
    boost::container::small_vector<Held, 1> held;
    std::uint32_t place = 0;
    Stored stored = Stored::no;
    bool is_done = false;       ///< a device has acknowledged it, or it was handed to one that can't
    bool is_waiting = false;    ///< counted as waiting
    bool is_gone = false;       ///< nobody wants it any more: not to be written, or to be erased
    bool is_listed = false;     ///< to be looked at by the next commit
    bool is_fresh = false;      ///< … or the one after that, by its place in the journal's list
    bool is_erasing = false;    ///< it is on its way off the disk
    bool is_accepted = false;   ///< noticed

    Held* find(const LocalSession& session) noexcept {
        const auto at = std::ranges::find(held, &session, &Held::session);
        return at == held.end() ? nullptr : &*at;
    }
    void forget(const LocalSession& session) noexcept {
        held.erase(std::remove_if(held.begin(), held.end(), [&](const Held& h) { return h.session == &session; }),
                   held.end());
    }
};

}   // namespace tambo
