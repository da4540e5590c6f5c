// Stanzas: what travels (RFC 6120 §8).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <initializer_list>

#include <tambo/jid.hpp>
#include <tambo/result.hpp>
#include <tambo/xml.hpp>

namespace tambo {

namespace detail {

/// What a client sent and waits to have counted (XEP-0198) leaves a trail: it goes along with the stanza, from shard to
/// shard, is not copied with it, and says to its origin when it ends. The kernel's own.
class TAMBO_API Trail {
public:
    /// A session, as others may know it.
    struct Origin {
        /// That stanza has found its end. On any shard's thread.
        virtual void settled(std::uint64_t number) noexcept = 0;

    protected:
        ~Origin() = default;
    };

    Trail() = default;
    Trail(std::shared_ptr<Origin> origin, std::uint64_t number) noexcept
        : origin_(std::move(origin)), number_(number) {}
    Trail(Trail&& other) noexcept = default;
    Trail& operator=(Trail&& other) noexcept {
        if (this != &other) {
            end();
            origin_ = std::move(other.origin_);
            number_ = other.number_;
        }
        return *this;
    }
    Trail(const Trail&) noexcept {}                             // NOLINT: a copy of a stanza is a stanza of its own
    Trail& operator=(const Trail&) noexcept { return *this; }   // NOLINT: likewise
    ~Trail() { end(); }

    explicit operator bool() const noexcept { return origin_ != nullptr; }
    const std::shared_ptr<Origin>& origin() const noexcept { return origin_; }
    std::uint64_t number() const noexcept { return number_; }
    void end() noexcept {
        if (const auto origin = std::exchange(origin_, {})) origin->settled(number_);
    }

private:
    std::shared_ptr<Origin> origin_;
    std::uint64_t number_ = 0;
};

}   // namespace detail

/// A message, presence, iq, or (kind `other`) a stream-level element such as XEP-0198's <r/>.
///
/// The addressing attributes are kept apart and prepared, the content as XML bytes plus tape. A Stanza owns all of it:
/// it can be kept, copied, moved to another thread. Handlers get a reference to the shard's scratch stanza, good for
/// that turn.
class TAMBO_API Stanza {
public:
    enum class Kind : std::uint8_t { message, presence, iq, other };

    Stanza() = default;
    static Stanza message(const Jid& from, const Jid& to, std::string_view type = {});
    static Stanza presence(const Jid& from, const Jid& to, std::string_view type = {});
    static Stanza iq(const Jid& from, const Jid& to, std::string_view type, std::string_view id);
    /// Reads a whole stanza from text, addresses included (jid_malformed if they are wrong). Slow, for stores and
    /// tests.
    static Result<Stanza> parse(std::string_view xml);

    Kind kind() const noexcept { return kind_; }
    bool is_message() const noexcept { return kind_ == Kind::message; }
    bool is_presence() const noexcept { return kind_ == Kind::presence; }
    bool is_iq() const noexcept { return kind_ == Kind::iq; }
    const Jid& from() const noexcept { return from_; }
    const Jid& to() const noexcept { return to_; }
    std::string_view id() const noexcept { return id_; }
    std::string_view type() const noexcept { return type_; }   ///< as written; empty if absent
    std::string_view lang() const noexcept { return lang_; }
    bool is_error() const noexcept { return type_ == "error"; }
    /// An iq that asks (get, set), as opposed to one that answers.
    bool is_request() const noexcept { return kind_ == Kind::iq && (type_ == "get" || type_ == "set"); }

    /// The element. After an edit of the content it is read anew, on demand.
    Element xml() const;
    /// First child: what an iq is about.
    Element payload() const { return xml().first(); }
    Element child(std::string_view name, std::string_view space) const { return xml().child(name, space); }
    bool has(std::string_view name, std::string_view space) const { return static_cast<bool>(child(name, space)); }
    std::string_view body() const { return xml().child("body").text(); }

    /// Content as XML, in the context of jabber:client.
    std::string_view inner() const noexcept { return tape_.inner; }

    void set_from(Jid jid) noexcept { from_ = std::move(jid), as_kept_ = false; }
    void set_to(Jid jid) noexcept { to_ = std::move(jid), as_kept_ = false; }
    void set_id(std::string_view id) { id_ = id, as_kept_ = false; }
    void set_type(std::string_view type) { type_ = type, as_kept_ = false; }
    void set_lang(std::string_view lang) { lang_ = lang, as_kept_ = false; }
    void set_inner(std::string well_formed_xml);
    void append(std::string_view well_formed_xml);
    using Attributes = std::initializer_list<std::pair<std::string_view, std::string_view>>;
    /// An empty element, in its own namespace; what append() of its text gives, in less time. Names must be literals,
    /// values are escaped.
    void append(std::string_view name, std::string_view space, Attributes attributes);
    /// Takes a direct child out. Elements looked at before are invalid afterwards.
    void remove(const Element& child);

    /// The whole stanza as XML, appended to `out`.
    void write(std::string& out) const;
    std::string str() const;

    /// Its place in the journal of the account that it is delivered to; 0: it is not in there. Copies have it, too.
    std::uint64_t sequence() const noexcept { return sequence_; }

    /// The answer to this iq, addressed back, empty.
    Stanza result() const;
    /// RFC 6120 §8.3: this stanza sent back as an error, without its payload. Never call it on an error.
    Stanza error(const Error& error) const;

    // --- for codecs and the kernel
    Tape& tape() noexcept { return as_kept_ = false, tape_; }   ///< to be written by a codec, then adopt()
    const Tape& tape() const noexcept { return tape_; }
    /// Makes the attributes of tape node 0 this stanza's own. Addresses are parsed only if `addresses`, else left
    /// empty.
    Result<void> adopt(bool addresses = true);
    /// Rare parts of the start tag (further attributes, inherited declarations), kept as written: ` a='b'`.
    const std::string& extra() const noexcept { return extra_; }
    void set_extra(std::string extra) { extra_ = std::move(extra), as_kept_ = false; }
    std::string_view name() const noexcept;   ///< element name; also of kind `other`
    void set_sequence(std::uint64_t sequence) noexcept { sequence_ = sequence, as_kept_ = false; }
    void set_as_kept() noexcept { as_kept_ = true; }
    /// Nothing has changed since it was entered there: the journal has its text.
    bool is_as_kept() const noexcept { return as_kept_; }
    detail::Trail& trail() noexcept { return trail_; }

private:
    static Stanza made(Kind kind, const Jid& from, const Jid& to, std::string_view type, std::string_view id);
    Result<void> take(const Tape::Node& node, bool addresses);
    std::string_view tag_name() const noexcept;
    void write_start(std::string& out) const;
    void reread() const;

    Kind kind_ = Kind::other;
    mutable bool stale_ = false;   // tape nodes no longer describe `inner`
    bool as_kept_ = false;
    Jid from_, to_;
    std::string id_, type_, lang_, extra_;
    mutable Tape tape_;
    std::uint64_t sequence_ = 0;
    detail::Trail trail_;
};

/// What an IQ handler says: a result with or without content, or an error.
class Reply {
public:
    Reply() = default;                                                  ///< an empty result
    Reply(Error error) : error_(std::move(error)), is_error_(true) {}   // NOLINT: `return Error{…}` is the point
    Reply(std::unexpected<Error> e) : Reply(std::move(e.error())) {}    // NOLINT: likewise `return fail(…)`
    static Reply none() {
        Reply r;
        r.silent_ = true;
        return r;
    }   ///< no answer: somebody else will give it

    Reply& element(std::string_view name, std::string_view space = {}) & {
        writer_.element(name, space);
        return *this;
    }
    Reply& text(std::string_view t) & {
        writer_.text(t);
        return *this;
    }
    Reply& raw(std::string_view xml) & {
        writer_.raw(xml);
        return *this;
    }
    Reply& end() & {
        writer_.end();
        return *this;
    }
    template <class V>
    Reply& attribute(std::string_view n, V&& v) & {
        writer_.attribute(n, std::forward<V>(v));
        return *this;
    }
    Reply&& element(std::string_view name, std::string_view space = {}) && {
        writer_.element(name, space);
        return std::move(*this);
    }
    Reply&& text(std::string_view t) && {
        writer_.text(t);
        return std::move(*this);
    }
    Reply&& raw(std::string_view xml) && {
        writer_.raw(xml);
        return std::move(*this);
    }
    Reply&& end() && {
        writer_.end();
        return std::move(*this);
    }
    template <class V>
    Reply&& attribute(std::string_view n, V&& v) && {
        writer_.attribute(n, std::forward<V>(v));
        return std::move(*this);
    }

    bool is_error() const noexcept { return is_error_; }
    bool is_silent() const noexcept { return silent_; }
    const Error& error() const noexcept { return error_; }
    std::string take_inner() { return writer_.take(); }

private:
    Writer writer_;
    Error error_;
    bool is_error_ = false, silent_ = false;
};

class Session;
class Account;

/// An iq of type get or set on its way to the one who answers it. A Task<Reply> takes it by value and may keep it.
class Iq : public Stanza {
public:
    Iq(Stanza stanza, Session* session, Account* account)
        : Stanza(std::move(stanza)), session_(session), account_(account) {}
    bool is_get() const noexcept { return type() == "get"; }
    bool is_set() const noexcept { return type() == "set"; }

    /// The account that was addressed: the sender's own where `to` was absent; null where the server was asked.
    /// Only good until the first co_await.
    Account* account() const noexcept { return account_; }
    /// The sender's session, if it is the sender's own account or the server that is asked. Only good until the first
    /// co_await.
    Session* session() const noexcept { return session_; }
    /// True if sender and addressed account are the same user.
    bool is_own() const noexcept { return account_ != nullptr && session_ != nullptr; }
    static Reply result() { return Reply{}; }

private:
    Session* session_;
    Account* account_;
};

}   // namespace tambo
