// From the journal to the devices: what waits, in order, as fast as they take it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

#include "expiry.hpp"

namespace tambo::offline {

/// One for each account, in its slot. While it is active, new messages queue up behind the old ones.
struct HandOver {
    static constexpr int version = 2;
    std::uint64_t after = 0;        ///< the entry that it has come to
    std::int64_t beat_ms = 0;       ///< uptime of the last step, or of the last failure
    std::uint32_t generation = 0;   ///< of the task that may go on; an older one stops
    std::uint32_t appended = 0;     ///< messages that queued up behind it
    bool is_active = false;
    bool is_paused = false;    ///< active, but no task works on it: all devices have their hands full, or are away
    bool is_rewound = false;   ///< meanwhile something older came back, or somebody came who has nothing yet

    /// What another version began is begun anew.
    static bool upgrade(int, std::string_view, HandOver&) { return false; }
};

/// What a session with stream management has been handed and has not acknowledged.
struct Flow {
    static constexpr int version = 1;
    std::uint64_t first = 0, last = 0;   ///< sequences
    std::uint32_t in_flight = 0;
};

/// XEP-0013 §2.2: this session asks for what waits by itself, so nothing is handed over to any.
struct Flexible {
    static constexpr int version = 1;
    static constexpr bool durable = true;
    bool is_chosen = false;
};

/// Hands over what waits, batch after batch, until nothing is left or nobody listens. Entries stay in the journal until
/// their devices acknowledge them, and each device has a limited number of them at a time. Its state lives in slots,
/// so that it goes on with the next build of the module.
class HandOvers {
public:
    HandOvers(Host& host, Expiry& expiry, std::uint32_t window) : host_(host), expiry_(expiry), window_(window) {}

    enum class Begin : std::uint8_t {
        where_it_was,
        anew,         ///< with the oldest that waits
        for_the_new   ///< … or that others hold and have not acknowledged: a device has come that has had nothing yet
    };
    /// A device has come, come back, or gone; it goes on, or begins, after this turn.
    void consider(Account& account, Begin from);
    /// Something is to be handed over. Cheap.
    bool has_work(const Account& account) const;
    /// While older messages are on their way to where this one goes, it has to wait behind them.
    bool is_in_line(Account& account, const Stanza& message);
    void queued_up(Account& account) { ++hand_overs_(account).appended; }
    void noticed(Account& account, const JournalNotice& notice);

    void choose_flexible(Session& session) { flexible_(session).is_chosen = true; }
    /// XEP-0203 §3. What came with a stamp of ours keeps that one: it is older.
    static void add_delay(Stanza& message, std::string_view domain, Time time);

private:
    struct Due {
        Jid owner;
        Begin from;
    };

    void consider_now(Account& account, Begin from);
    void stop(Account& account);
    void begin(Account& account, HandOver& state);
    bool is_stale(const HandOver& state) const;
    bool is_held_up(Account& account) const;
    bool has_room(Account& account, std::uint32_t window) const;
    static bool has_connected(Account& account);
    Task<void> work(Jid owner, std::uint32_t generation);
    Account* in_charge(const Jid& owner, std::uint32_t generation);
    void rest(Account& account);
    bool goes_on(Account& account, std::uint32_t appended);
    void give_up(Account& account, const Error& why);
    void send(Account& account, const std::vector<JournalEntry>& batch);
    void send(Account& account, const Stanza& message, const std::vector<Jid>& devices);
    void send(Session& session, Stanza message);

    Host& host_;
    Expiry& expiry_;
    std::uint32_t window_;
    Slot<HandOver> hand_overs_{"offline-hand-over"};
    Slot<Flow> flows_{"offline-flow"};
    Slot<Flexible> flexible_{"offline-flexible"};
    std::vector<Due> due_;
    std::vector<Jid> with_new_;   ///< accounts where somebody has come who is to have what others hold
};

}   // namespace tambo::offline
