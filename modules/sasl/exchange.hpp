// SASL without sockets: who the client says it is, and what to answer (RFC 4616, 5802, 7677).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <tambo/auth.hpp>
#include <tambo/bytes.hpp>

struct Gsasl;
struct Gsasl_session;

namespace tambo::sasl {

/// The conditions of RFC 6120 §6.5 that we give.
enum class Failure : std::uint8_t {
    aborted,
    encryption_required,
    incorrect_encoding,
    invalid_authzid,
    invalid_mechanism,
    malformed_request,
    not_authorized,
    temporary_auth_failure,
};

/// The element name on the wire, such as "not-authorized".
std::string_view to_string(Failure failure) noexcept;

template <class T>
using Outcome = std::expected<T, Failure>;

struct Mechanism {
    std::string_view name;        ///< as registered, "SCRAM-SHA-256-PLUS"
    std::string_view hash;        ///< as in ScramKeys; empty for PLAIN
    bool binds_channel = false;   ///< a -PLUS mechanism
    bool is_plain() const noexcept { return hash.empty(); }
};

/// All that we speak, best first.
std::span<const Mechanism> mechanisms() noexcept;
/// Null if we don't speak it.
const Mechanism* find_mechanism(std::string_view name) noexcept;

/// RFC 6120 §6.4.2: the text of <auth/> or <response/> as bytes; "=" is how an empty message is written.
Outcome<Bytes> decode(std::string_view text);

/// What a client's first message claims. Nothing of it is proven, prepared or even UTF-8.
struct Claim {
    std::string name;       ///< never empty, no NUL
    std::string authzid;    ///< empty: none was given
    std::string password;   ///< PLAIN only; never empty there
};

Outcome<Claim> read_claim(const Mechanism& mechanism, std::string_view first_message);

/// GNU SASL's context, shared by the module that made it and the exchanges that still run when the module is replaced.
class Library {
public:
    Library();   ///< throws std::runtime_error if GNU SASL lacks a mechanism or does not start
    const std::shared_ptr<Gsasl>& context() const noexcept { return context_; }

private:
    std::shared_ptr<Gsasl> context_;   // shared with each Exchange
};

/// What the stream underneath can be bound to, and what the client was told of it.
struct Channel {
    Bytes exporter;   ///< RFC 9266 tls-exporter; empty if there is none
    Bytes unique;     ///< RFC 5929 tls-unique, for clients that know nothing better; empty likewise
    bool plus_was_offered = false;
};

/// The server's side of one SCRAM authentication. It never asks for anything and never blocks: the keys come with it.
/// With keys that belong to nobody (decoy_keys) it goes the same way and fails at the end.
class Exchange {
public:
    enum class State : std::uint8_t { challenge, success, failure };
    struct Step {
        State state = State::failure;
        Bytes message;                                  ///< for the client; empty on failure
        Failure failure = Failure::malformed_request;   ///< only if state is failure
    };

    Exchange(const Library& library, const Mechanism& mechanism, const ScramKeys& keys, const Channel& channel);

    /// Takes the client's next message, decoded. After success or failure every further one fails.
    Step step(std::string_view message);

private:
    struct Finish {
        void operator()(Gsasl_session* session) const noexcept;
    };
    Outcome<void> check_binding(std::string_view client_first) const;
    Step fail(Failure why) noexcept;

    std::shared_ptr<Gsasl> context_;   // shared with Library: must outlive the session
    std::unique_ptr<Gsasl_session, Finish> session_;
    bool binds_channel_;
    bool plus_was_offered_;
    bool is_first_ = true;
};

/// Does this password, prepared, have these keys? Slow by design (PBKDF2): for a worker thread. Constant time at the
/// end.
bool matches(const ScramKeys& keys, std::string_view prepared_password);

/// Keys for a name that has none, the same each time, so that a stranger can't tell who has an account (RFC 5802 §9).
ScramKeys decoy_keys(std::string_view secret, std::string_view hash, std::string_view name, std::uint32_t iterations);

/// HMAC-SHA-256.
Bytes mac(std::string_view key, std::string_view text);
/// Compares without telling by its duration where the difference is.
bool same(std::string_view a, std::string_view b) noexcept;

}   // namespace tambo::sasl
