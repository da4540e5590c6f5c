// Stream features and the steps of negotiation (RFC 6120 §4.3).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <tambo/bytes.hpp>
#include <tambo/session.hpp>
#include <tambo/stanza.hpp>
#include <tambo/task.hpp>

namespace tambo {

/// When a step may be taken.
enum class Phase : std::uint8_t {
    before_auth,   ///< STARTTLS, SASL, in-band registration
    before_bind,   ///< resource binding, resumption
};

/// What is known of a stream under negotiation.
struct StreamInfo {
    std::string domain;                 ///< whom the client's stream header named; one of our hosts
    std::string codec;                  ///< how this stream is written: "xml", or what a module brought
    bool is_secure = false;             ///< TLS is on
    bool can_secure = false;            ///< there is a certificate, and TLS is not on yet
    bool may_authenticate = false;      ///< secure, or the ini allows authentication in the clear on this listener
    Jid account;                        ///< bare; empty before authentication
    std::string address;                ///< the peer's
    std::size_t max_stanza_bytes = 0;   ///< longest element that is taken from now on
    std::uint32_t idle_seconds = 0;   ///< silence after which the server looks whether anybody is there; 0: it does not
};

/// A resource that two want (RFC 6120 §7.7.2.2).
enum class Conflict : std::uint8_t { replace, rename, refuse };

/// A stream under negotiation, in the hands of the step that is talking to its client.
///
/// While a step's task runs, elements of the client go to receive() and nowhere else. When the stream ends, the kernel
/// destroys the task where it waits.
class TAMBO_API Handshake {
public:
    virtual const StreamInfo& info() const noexcept = 0;
    virtual void send(std::string_view xml) = 0;
    /// The next element from the client. (White space and stream closing are the kernel's business.)
    virtual Later<Stanza> receive() = 0;
    virtual void close(StreamCondition condition, std::string_view text = {}) = 0;

    /// After <proceed/>: throws away what the client sent too early, then waits for its ClientHello.
    virtual void start_tls() = 0;
    /// XEP-0138: when the step has ended, the stream restarts in this codec. False if no module provides it (any more).
    virtual bool switch_codec(std::string_view name) = 0;
    /// RFC 5929/9266 channel binding data: "tls-exporter", "tls-unique", "tls-server-end-point"; empty if there is
    /// none.
    virtual Bytes channel_binding(std::string_view type) const = 0;
    /// After <success/>: the stream restarts on the account's home shard.
    virtual void authenticated(const Jid& bare) = 0;
    /// Counts a failed attempt against the stream and its address; says whether another one is allowed. If it is not,
    /// the stream is closed.
    virtual bool failed_attempt() = 0;
    /// False while too many accounts were made from this address lately; counts the attempt.
    virtual bool may_register() = 0;

    /// Loads the account that authenticated; null if its store is not available. Good until the next co_await.
    virtual Later<Account*> account() = 0;
    /// Makes the session: an empty resource means "you choose".
    virtual Later<Result<Jid>> bind(std::string_view resource, Conflict policy) = 0;
    /// Gives this connection to an existing session of the same account: first sends `xml`, then fires Event::resumed.
    /// The connection that the session had, if any, ends with `conflict`. The step must end after this.
    virtual void resume(Session& session, std::string_view xml) = 0;

protected:
    ~Handshake() = default;
};

}   // namespace tambo
