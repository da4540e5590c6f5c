// Who is connected: accounts and their sessions, as modules see them.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <tambo/bytes.hpp>
#include <tambo/jid.hpp>
#include <tambo/stanza.hpp>
#include <tambo/time.hpp>

namespace tambo {

class Account;

/// What the client's connection is like, for modules that decide by it.
struct Link {
    bool is_connected = false;   ///< false: a session that is kept for resumption
    bool is_secure = false;      ///< TLS, or a transport that needs none (in process)
    std::string_view address;    ///< the peer's, without port
    std::string_view codec;      ///< "xml", "funxmpp", "funxmpp-page"
};

/// What went through one session so far; it counts on over resumptions.
struct Traffic {
    std::uint64_t stanzas_in = 0, stanzas_out = 0, bytes_in = 0, bytes_out = 0;
    std::int64_t bytes_saved = 0;   ///< what XML would have taken more, both ways
};

/// One bound resource (RFC 6120 §7). Lives on its account's home shard; outlives its connection while it is resumable.
/// Never keep a pointer past the turn: keep the full JID and look it up.
class TAMBO_API Session {
public:
    virtual const Jid& jid() const noexcept = 0;   ///< full
    const Jid& bare_jid() const noexcept;
    virtual Account& account() noexcept = 0;
    virtual Link link() const noexcept = 0;
    /// Stanzas that came from the client, those that were refused included; the one that is being handled counts.
    virtual std::uint64_t received() const noexcept = 0;
    virtual Traffic traffic() const noexcept = 0;
    virtual Time since() const noexcept = 0;   ///< when it was bound
    virtual Time active()
        const noexcept = 0;   ///< when its client last sent a stanza (acks and white space don't count)

    /// RFC 6121 §4: what the presence module knows, kept by the kernel for routing and for whoever asks.
    virtual bool is_available() const noexcept = 0;
    virtual int priority() const noexcept = 0;             ///< -128..127; 0 before any presence
    virtual const Stanza* presence() const noexcept = 0;   ///< the last broadcast one; null if unavailable
    /// Fires Event::online on the way from unavailable to available.
    virtual void set_available(const Stanza& presence, int priority) = 0;
    /// Fires Event::offline if it was available.
    virtual void set_unavailable(Stanza& goodbye) = 0;

    /// Sends to this client, through stanza_out.
    virtual void send(Stanza& stanza) = 0;
    /// Sends a stream-level element past all hooks; not counted, not kept.
    virtual void send_element(std::string_view xml) = 0;
    /// Ends stream and session with a stream error (RFC 6120 §4.9); `application` is an application-specific condition
    /// element, as XML (§4.9.4).
    virtual void close(StreamCondition condition, std::string_view text = {}, std::string_view application = {}) = 0;
    /// Cuts the connection as if it had broken: Event::detached follows.
    virtual void drop_link() = 0;

    // --- what makes a session resumable; used by one module at a time (stream management)
    /// From now on each stanza sent is kept until acknowledged. Above `max_kept` stanzas the session ends. Stanzas are
    /// numbered from 1 at the first call.
    virtual void keep_sent(std::size_t max_kept) = 0;
    virtual bool keeps_sent() const noexcept = 0;
    virtual std::size_t kept() const noexcept = 0;
    virtual std::uint64_t kept_bytes() const noexcept = 0;     ///< about: what they take in memory
    virtual std::uint64_t last_number() const noexcept = 0;    ///< of the last one that was written, or may be
    virtual std::uint64_t acknowledged() const noexcept = 0;   ///< all up to this number are
    /// All stanzas up to that number arrived. Of a session that was restored, the number may lie above last_number():
    /// in its life before it was sent more than anybody remembers.
    virtual void acknowledge(std::uint64_t up_to) = 0;
    virtual void resend_kept() = 0;   ///< after a resumption, in order, unchanged
    /// At the end: what the client never confirmed, without what the journal keeps (that returns by itself).
    virtual std::vector<Stanza> take_kept() = 0;
    /// So many of the client's stanzas (received()) are taken care of: committed, acknowledged by their recipients, or
    /// of no further consequence. Of a durable session: as far as that is itself on disk. Event::accepted says when it
    /// has risen.
    virtual std::uint64_t accepted() const noexcept = 0;
    /// From now on what is needed to resume it is kept on disk, in the commits of the journal: counters, presence,
    /// slots that are durable. After a restart it comes back without a connection (Event::restored).
    virtual void make_durable() = 0;
    virtual bool is_durable() const noexcept = 0;
    virtual bool was_restored() const noexcept = 0;   ///< it came back so, and its client has not yet
    /// Random, never 0, never of another session.
    virtual std::uint64_t device() const noexcept = 0;
    /// A client without XEP-0198 that says what it has (Journal::confirm): it holds entries until it does.
    virtual void set_confirming(bool confirms) = 0;
    /// It acknowledges or confirms: what is sent to it can be held by it.
    virtual bool holds() const noexcept = 0;
    /// Ends a session that has no connection (or has one: then as by </stream>).
    virtual void end() = 0;

    // --- state that modules hang on a session; the kernel owns the bytes
    virtual std::string& slot(std::string_view name) = 0;   ///< made empty at first use
    virtual const std::string* find_slot(std::string_view name) const noexcept = 0;

    /// Fires the module's timer handler of this name (Wiring::timer) for this session. Arming again moves it.
    virtual void arm(std::string_view timer, std::chrono::milliseconds in) = 0;
    virtual void disarm(std::string_view timer) = 0;

protected:
    ~Session() = default;
};

/// RFC 6121 §2.1.2.5: one contact, as far as everybody may rely on it. The roster module writes, others read.
struct Contact {
    Jid jid;             ///< bare
    bool from = false;   ///< the contact sees our presence
    bool to = false;     ///< we see the contact's
};

/// One user, on the home shard, from the first stanza to or from it until some time after the last.
/// Everything stored for it in resident tables is in memory while it is here.
class TAMBO_API Account {
public:
    virtual const Jid& jid() const noexcept = 0;   ///< bare
    virtual bool exists() const noexcept = 0;      ///< the auth plugin knows it
    virtual std::span<Session* const> sessions() noexcept = 0;
    Session* find(std::string_view resource) noexcept;

    /// Sends a stanza on this account's behalf, to whom it names: Event::outgoing may keep it. Never runs the handlers
    /// of its addressee before it returns.
    virtual void send(Stanza stanza) = 0;

    /// Sends to the client sessions of this account as RFC 6121 §8.5.2 would for a bare JID.
    virtual void deliver_bare(Stanza& stanza) = 0;

    virtual std::span<const Contact> contacts() const noexcept = 0;
    virtual void set_contact(const Contact& contact) = 0;   ///< inserts or replaces
    virtual void remove_contact(const Jid& bare) = 0;
    /// May this JID see the account's presence? (contact with `from`, or the user herself)
    bool may_see_presence(const Jid& who) const noexcept;
    const Contact* contact(const Jid& bare) const noexcept;

    /// Resident data (see Table). Writes go to the store in order; the kernel holds back IQ results until they are
    /// kept.
    virtual const std::string* row(std::string_view table, std::string_view key) const noexcept = 0;
    virtual void put_row(std::string_view table, std::string_view key, std::string value) = 0;
    virtual void erase_row(std::string_view table, std::string_view key) = 0;
    /// In key order. Do not write the same table from inside.
    virtual void each_row(std::string_view table,
                          const std::function<void(std::string_view key, const std::string& value)>& see) const = 0;

    virtual std::string& slot(std::string_view name) = 0;   ///< like Session::slot, gone with the Account object

protected:
    ~Account() = default;
};

/// What a module says of a slot by having it (Slot): two builds of a module are compared by it when one is swapped for
/// the other.
struct SlotInfo {
    std::string name;
    int version = 0;
    std::size_t size = 0;
    bool can_upgrade = false;   ///< it can read what older versions held
    bool is_durable = false;    ///< it comes back with a session after a restart
};

namespace detail {
/// Notes it down for the module that is being constructed on this thread; does nothing where none is.
TAMBO_API void declare_slot(SlotInfo info);
}   // namespace detail

/// Fixed-size module state per session (or account), in memory that the kernel owns. T is plain data of at most 64
/// bytes with `static constexpr int version`, a member of its module, so that it is there when the module is made.
///
/// Swapped for a build with the same version: untouched. For one with a newer version: handed to `static bool
/// T::upgrade(int from, std::string_view bytes, T&)` when it is next looked at, without any old code; if that says no,
/// or the session had its slot from something else, a fresh T. A build that has no upgrade() for what is there, one
/// with an older version, or with another layout under the same version, is refused.
///
/// With `static constexpr bool durable = true` in T, it comes back with a durable session after a restart, by the same
/// rules. Times in it are then wall-clock times.
template <class T>
class Slot {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 64, "a slot is small plain data");
    static constexpr bool can_upgrade = requires(T& t) {
        { T::upgrade(int{}, std::string_view{}, t) } -> std::same_as<bool>;
    };

    static constexpr bool is_durable() noexcept {
        if constexpr (requires { T::durable; })
            return T::durable;
        else
            return false;
    }

public:
    explicit Slot(std::string name) : name_(std::move(name)) {
        detail::declare_slot({name_, T::version, sizeof(T), can_upgrade, is_durable()});
    }

    /// Reference into the session; good for this turn.
    T& operator()(Session& session) const { return at(session.slot(name_)); }
    T& operator()(Account& account) const { return at(account.slot(name_)); }
    bool has(const Session& session) const noexcept { return session.find_slot(name_) != nullptr; }

private:
    /// Behind the value, so that what is small fits into the string itself, which is as good as aligned memory.
    struct Mark {
        std::int16_t version = -1;
        std::uint16_t size = 0;
    };
    static constexpr Mark current{T::version, sizeof(T)};
    static_assert(T::version >= 0 && T::version == current.version && alignof(T) <= alignof(std::string));

    static T& at(std::string& raw) {
        const auto was = mark_of(raw);
        if (was.version == current.version && was.size == current.size) return *reinterpret_cast<T*>(raw.data());
        T value{};
        if constexpr (can_upgrade)
            if (was.version >= 0 && !T::upgrade(was.version, std::string_view{raw}.substr(0, was.size), value))
                value = T{};
        raw.resize(sizeof(T) + sizeof(Mark));
        std::memcpy(raw.data(), &value, sizeof(T));
        std::memcpy(raw.data() + sizeof(T), &current, sizeof(Mark));
        return *reinterpret_cast<T*>(raw.data());
    }
    static Mark mark_of(const std::string& raw) noexcept {
        Mark mark;
        if (raw.size() < sizeof mark) return mark;
        std::memcpy(&mark, raw.data() + raw.size() - sizeof mark, sizeof mark);
        return raw.size() == mark.size + sizeof mark ? mark : Mark{};
    }
    std::string name_;
};

/// A module's rows per account, kept in memory with the account and written through to the store.
class Table {
public:
    explicit Table(std::string name) : name_(std::move(name)) {}
    const std::string* get(const Account& a, std::string_view key) const noexcept { return a.row(name_, key); }
    void put(Account& a, std::string_view key, std::string value) const { a.put_row(name_, key, std::move(value)); }
    void erase(Account& a, std::string_view key) const { a.erase_row(name_, key); }
    template <class F>
    void each(const Account& a, F&& see) const {
        a.each_row(name_, std::forward<F>(see));
    }

private:
    std::string name_;
};

}   // namespace tambo
