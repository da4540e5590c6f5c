// The journal: messages that must not be lost, one log for each account. Live delivery, offline delivery and what is
// sent again after a resumption are views of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/session.hpp>
#include <tambo/store.hpp>

namespace tambo {

/// Something happened to an entry. Good for the call. That it was given to a session is Event::sent's to say
/// (Stanza::sequence).
struct JournalNotice {
    enum class What : std::uint8_t {
        accepted,    ///< it is committed, or acknowledged before that: its sender's server has it (one tick)
        delivered,   ///< `session` has acknowledged it (two ticks); a device without XEP-0198: handed to TCP, or its
                     ///< receipt came
        returned,    ///< `session` ended without an acknowledgement: it waits again
        dropped,     ///< it goes without having been delivered: expired, too much, asked for
        refused,     ///< the store did not take it, and its sender got an error
    };
    What what;
    std::uint64_t sequence;
    std::string_view id;       ///< the stable one
    std::string_view stanza;   ///< whole, as XML
    Time accepted;             ///< when the server took it
    const Jid* session;        ///< full JID; null where nobody is meant
    bool accepts = false;      ///< delivered: by that it is accepted, too, and no other notice says so

    using Mask = std::uint32_t;
    static constexpr Mask only(auto... whats) noexcept { return ((Mask{1} << static_cast<unsigned>(whats)) | ...); }
    static constexpr Mask all = ~Mask{0};
};

/// The kernel's promise about messages: order, ids, "counted when committed", "gone when acknowledged". What is kept,
/// for how long and how much is a module's policy. Used on the account's home shard.
///
/// An entry is appended once. Sessions that it is sent to hold it until their client acknowledges (XEP-0198) or
/// confirms it otherwise (Session::set_confirming); for any other client it is done when it was handed to TCP. The
/// first acknowledgement ends its waiting; it stays for those who still hold it, and goes when nobody does. A session
/// that ends gives back what it holds: what no device has acknowledged waits again. What waits is in the store; whoever
/// is its policy hands it over (take_up).
class TAMBO_API Journal {
public:
    /// What waits for any device: held by nobody and acknowledged by nobody. Known without asking the store.
    virtual std::uint64_t count(const Account& account) const noexcept = 0;
    virtual std::uint64_t bytes(const Account& account) const noexcept = 0;
    /// A new stable id: unlike any other, and not to be guessed.
    virtual std::string next_id() = 0;

    /// Keeps a message that arrived for this account, before it is given to sessions (Event::deliver) or when none took
    /// it (Event::undelivered). At once in memory, on disk with the next commit, unless a device acknowledges it before
    /// that. From then on the stanza is the entry's: it carries the sequence (Stanza::sequence), and so do its copies.
    /// If the store refuses it, its sender gets resource-constraint. Returns the sequence.
    virtual std::uint64_t append(Account& account, Stanza& message, Time accepted, std::string id) = 0;
    /// What waits behind `after`, oldest first, with every append before this call; and among it, with their holders,
    /// entries that sessions hold and nobody has acknowledged: a device that has just come may be the first to read
    /// them. `holders` of what waits is empty.
    virtual Later<Result<std::vector<JournalEntry>>> read(Account& account, std::uint64_t after, std::size_t limit) = 0;
    /// An entry that read() gave in this turn, as a stanza to be sent to sessions of its account now; who holds it is
    /// not sent it again. Nothing if it is done by now: dropped, or acknowledged. Follow with Session::send(), then
    /// set_down().
    virtual std::optional<Stanza> take_up(Account& account, const JournalEntry& entry) = 0;
    /// The sessions were chosen: if none took the stanza, it waits again.
    virtual void set_down(Account& account, std::uint64_t sequence) = 0;
    /// These (from read()) are not to wait any longer, nor to be sent again. Those that do not wait by now are left
    /// alone. Done when it is on disk.
    virtual Later<Result<Nothing>> drop(Account& account, const std::vector<JournalEntry>& entries) = 0;

    /// A client without XEP-0198 said that it has a message (Session::set_confirming): the one with that attribute id
    /// from that sender (bare JIDs compare). Says whether the session held one.
    virtual bool confirm(Session& session, const Jid& from, std::string_view message_id) = 0;
    /// The same, of one that its client is not going to confirm: being handed to TCP has to do.
    virtual bool confirm(Session& session, std::uint64_t sequence) = 0;

protected:
    ~Journal() = default;
};

}   // namespace tambo
