// What a module can hear. Numbers are appended, never reused: they are part of the binary interface.
#pragma once

#include <cstdint>

namespace tambo {

/// What a handler says to the kernel: go on, or "that was mine" (the walk ends, the kernel does nothing further).
enum class Verdict : std::uint8_t { pass, handled };

/// Events about one session. Handlers: `Verdict f(Session&, Stanza&)` or, where no stanza belongs to it, `Verdict
/// f(Session&)`.
enum class SessionEvent : std::uint8_t {
    stanza_in,    ///< a bound client sent this; `from` is stamped, addresses are checked. handled: it goes no further
    stanza_out,   ///< this is about to be written to the client. handled: it is not
    sent,         ///< it was written to the stream (or kept for a resumable one). Observers only
    bound,        ///< a new session has its full JID
    resumed,      ///< a kept session has a connection again
    detached,     ///< the connection is gone without </stream>. handled: keep the session for later
    unbound,      ///< the session ends now; last words can still be sent to others
    online,       ///< it became available (RFC 6121 §4.2); the stanza is its initial presence
    offline,      ///< it is no longer available (§4.5); the stanza is the unavailable presence
    accepted,     ///< Session::accepted() has risen
    restored,     ///< after a restart: a durable session is there again, without a connection. handled: keep it
    count
};

/// Events about one account, on its home shard. Handlers: `Verdict f(Account&, Stanza&)` or `Verdict f(Account&)`.
enum class AccountEvent : std::uint8_t {
    deliver,       ///< arrived for this account, before it is given to sessions (RFC 6121 §8.5). handled: it is not
    undelivered,   ///< a message found no session. handled: it is kept somewhere; else the kernel answers as §8.5.2
                   ///< says
    loaded,        ///< the account's resident data is in memory
    removed,       ///< the account is being deleted; its stored data goes without help
    outgoing,      ///< the server is about to send this on the account's behalf (Account::send). handled: it is not
    exported,   ///< write what you keep of this account: append() to the stanza, an empty <user/> (as XEP-0227 has it)
    imported,   ///< the reverse: take your own children of the stanza, replace what there was
    created,    ///< the account was just made; its credentials are kept
    count
};

/// Every event under one roof: `w.on<&Roster::online>(Event::online, this)`.
struct Event {
    static constexpr auto stanza_in = SessionEvent::stanza_in;
    static constexpr auto stanza_out = SessionEvent::stanza_out;
    static constexpr auto sent = SessionEvent::sent;
    static constexpr auto bound = SessionEvent::bound;
    static constexpr auto resumed = SessionEvent::resumed;
    static constexpr auto detached = SessionEvent::detached;
    static constexpr auto unbound = SessionEvent::unbound;
    static constexpr auto online = SessionEvent::online;
    static constexpr auto offline = SessionEvent::offline;
    static constexpr auto accepted = SessionEvent::accepted;
    static constexpr auto restored = SessionEvent::restored;
    static constexpr auto deliver = AccountEvent::deliver;
    static constexpr auto undelivered = AccountEvent::undelivered;
    static constexpr auto loaded = AccountEvent::loaded;
    static constexpr auto removed = AccountEvent::removed;
    static constexpr auto outgoing = AccountEvent::outgoing;
    static constexpr auto exported = AccountEvent::exported;
    static constexpr auto imported = AccountEvent::imported;
    static constexpr auto created = AccountEvent::created;
};

/// Ready-made priorities; any value from -100 to 100 will do. Higher ones hear first.
namespace priority {
inline constexpr int first = 100, early = 50, normal = 0, late = -50, last = -100;
}

}   // namespace tambo
