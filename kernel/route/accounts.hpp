// The accounts that are in memory on one shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "route/account.hpp"

namespace tambo {

/// By bare JID, in open addressing: with a million asleep, each thing on the way to one lies in memory that no cache
/// holds, and the way costs as many times as there are things on it. Here they are a line of the table, the account,
/// and its name; a table of nodes has its bucket, its node, and the names of neighbours beside those.
class Accounts {
public:
    LocalAccount* find(const Jid& jid) const noexcept;          ///< whose bare part counts; null if it is not here
    LocalAccount& add(std::unique_ptr<LocalAccount> account);   ///< which is not here yet
    void erase(const LocalAccount& account) noexcept;
    void clear() noexcept;

    /// `see` may add others, which it may see then, or not; it erases none.
    template <class F>
    void each(F see) const {
        for (std::size_t i = 0; i < places_.size(); ++i)
            if (auto* account = places_[i].account.get()) see(*account);
    }
    template <class F>
    void erase_if(F is_gone) {
        for (std::size_t i = 0; i < places_.size();)
            if (places_[i].account && is_gone(*places_[i].account))
                vacate(i);   // and somebody else may have moved in
            else
                ++i;
    }

private:
    struct Place {
        std::uint64_t hash = 0;
        std::unique_ptr<LocalAccount> account;   // null: nobody here
    };

    std::size_t mask() const noexcept { return places_.size() - 1; }
    std::size_t home(std::uint64_t hash) const noexcept;
    void settle(Place newcomer) noexcept;
    void vacate(std::size_t place) noexcept;

    std::vector<Place> places_;   // as many as a power of two, or none
    std::size_t count_ = 0;
};

}   // namespace tambo
