// The entries of one account that somebody is busy with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "route/entry.hpp"
#include "route/fifo.hpp"

namespace tambo {

/// In the order of their sequences. They come at the end and mostly go from the front, without gaps.
class Pending {
public:
    using EntryPtr = std::shared_ptr<Entry>;   ///< shared with sessions that hold it, and with commits under way

    bool empty() const noexcept { return entries_.empty(); }
    auto begin() const noexcept { return entries_.begin(); }
    auto end() const noexcept { return entries_.end(); }

    /// Null if it is not here. Good until the next change.
    const EntryPtr* find(std::uint64_t sequence) noexcept {
        const auto at = place(sequence);
        return at != entries_.end() && (*at)->data.sequence == sequence ? &*at : nullptr;
    }
    /// Instead of one with the same sequence, if there is any.
    void add(EntryPtr entry) {
        const auto sequence = entry->data.sequence;
        if (entries_.empty() || entries_.back()->data.sequence < sequence) return entries_.push_back(std::move(entry));
        const auto at = place(sequence);
        if ((*at)->data.sequence == sequence)
            *at = std::move(entry);
        else
            entries_.insert(at, std::move(entry));
    }
    void erase(std::uint64_t sequence) {
        const auto at = place(sequence);
        if (at != entries_.end() && (*at)->data.sequence == sequence) entries_.erase(at);
    }
    void clear() noexcept { entries_.clear(); }

private:
    /// Where it is, or belongs.
    Fifo<EntryPtr>::iterator place(std::uint64_t sequence) noexcept {
        if (entries_.empty()) return entries_.end();
        const auto distance = sequence - entries_.front()->data.sequence;
        if (distance < entries_.size()) {
            const auto at = entries_.begin() + static_cast<std::ptrdiff_t>(distance);
            if ((*at)->data.sequence == sequence) return at;
        }
        return std::ranges::lower_bound(entries_, sequence, {}, [](const EntryPtr& e) { return e->data.sequence; });
    }

    Fifo<EntryPtr> entries_;
};

}   // namespace tambo
