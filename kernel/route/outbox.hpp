// What a session was sent and its client has not acknowledged (XEP-0198 §4).
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tambo/stanza.hpp>

#include "route/entry.hpp"
#include "route/fifo.hpp"

namespace tambo {

/// Numbered from 1, oldest first. A stanza leaves in the order of its number, and not before its entry is safe where
/// delivery waits for the commit.
class Outbox {
public:
    struct Own {
        std::string xml;               ///< empty: as the journal knows it
        std::optional<Stanza> waits;   ///< not written yet
    };
    struct Kept {
        std::uint64_t number = 0;
        std::shared_ptr<Entry> entry;   ///< null: nothing that the journal knows
        std::unique_ptr<Own> own;       ///< null: nothing beside the entry
    };

    explicit Outbox(std::size_t most) noexcept : most_(most) {}

    void limit(std::size_t most) noexcept { most_ = most; }
    bool is_full() const noexcept { return kept_.size() > most_; }
    std::size_t most() const noexcept { return most_; }
    std::size_t size() const noexcept { return kept_.size(); }
    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t last() const noexcept { return last_; }   ///< number that was given
    std::uint64_t acknowledged() const noexcept { return acknowledged_; }
    /// Number of the last one that left, or might have.
    std::uint64_t written() const noexcept { return blocked_ == 0 ? last_ : blocked_ - 1; }
    bool is_blocked() const noexcept { return blocked_ != 0; }

    /// Gives it the next number, which it returns; 0: that comes later. `leaves` says whether it is written now; if
    /// not, neither is what comes behind it.
    std::uint64_t push(const Stanza& stanza, std::shared_ptr<Entry> entry, bool leaves);
    /// What comes next if `may_leave` its entry; nothing if it has to wait, or nothing waits.
    std::optional<Stanza> release(const std::function<bool(const Entry&)>& may_leave);
    /// Takes out all up to that number, oldest first, and shows each to `see`, which may end the session.
    template <class F>
    void acknowledge(std::uint64_t up_to, F see) {
        acknowledged_ = std::max(acknowledged_, up_to);
        last_ = std::max(last_, up_to);   // of a restored session: it was sent what nobody remembers
        while (!kept_.empty() && kept_.front().number <= up_to) {
            const auto kept = kept_.take_front();
            bytes_ -= std::min(bytes_, weight(kept));
            see(kept);
        }
    }
    /// What a restored session has: its numbers have gaps. It was sent more than anybody remembers, and its client has
    /// counted that: what comes now gets its number when the client goes on.
    void restore(std::uint64_t acknowledged, std::vector<Kept> kept);
    /// The client goes on from `acknowledged()`: what is left is numbered from there without gaps, and leaves as
    /// `numbered` says of each.
    void renumber(const std::function<bool(const Kept&)>& numbered);
    static constexpr std::uint64_t unnumbered = std::uint64_t{1} << 62;   ///< from here on: to be given a number later
    /// Each that has left already, in order.
    void each_written(const std::function<void(const Stanza&)>& see) const;
    std::vector<Stanza> take_loose();   ///< what is in no journal

private:
    static std::uint64_t weight(const Kept& kept) noexcept;

    Fifo<Kept> kept_;
    std::size_t most_;
    std::uint64_t bytes_ = 0, last_ = 0, acknowledged_ = 0;
    std::uint64_t blocked_ = 0;   // number of the first that has not left; 0: none
    bool is_restored_ = false;
};

}   // namespace tambo
