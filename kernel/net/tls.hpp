// TLS on a ready socket: OpenSSL driven by hand (RFC 6120 §5, RFC 7590, XEP-0368).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/log.hpp>

namespace tambo {

/// The certificates of one server, chosen by SNI. Thread-safe: shards make sessions while the supervisor looks for
/// renewed files. Contexts are immutable once made; a renewal makes a new one, old connections keep theirs.
class TlsStore {
public:
    struct Certificate {
        std::string domain;                 ///< lower case, prepared; the first one is also the default
        std::filesystem::path chain, key;   ///< PEM; the key has no passphrase
    };
    struct Settings {
        bool allow_tls12 = true;
        std::string ciphers{};          ///< TLS 1.2 list; empty: our own safe choice
        std::size_t sessions = 20000;   ///< size of the resumption cache; tickets are on
    };

    TlsStore(Settings settings, Log& log);
    ~TlsStore();

    /// Loads (or loads again) a certificate. Throws std::runtime_error with a sentence naming the file.
    void add(const Certificate& certificate);
    /// Looks whether files changed and loads those that did; a bad new file is logged and the old one stays. Returns
    /// the number of renewed certificates. Called by the supervisor every minute and on SIGHUP.
    std::size_t refresh();
    bool has(std::string_view domain) const;

    /// Makes chain.pem and key.pem in `folder` for these domains (ECDSA P-256, ten years), unless they are there. The
    /// key is for the owner's eyes only. Throws std::runtime_error with a sentence naming the file.
    static Certificate make_self_signed(const std::filesystem::path& folder, const std::vector<std::string>& domains);

    class Impl;

private:
    friend class Tls;
    std::shared_ptr<Impl> impl_;   // shared with each Tls: OpenSSL asks it for certificates during handshakes
};

/// The server side of TLS on one connected, non-blocking descriptor, which it does not own. One thread at a time; it
/// may move between threads with its connection. Buffers are released while idle (SSL_MODE_RELEASE_BUFFERS).
///
/// Never raises SIGPIPE. After `failed` only shut_down(), error() and the destructor make sense.
class Tls {
public:
    enum class State : unsigned char { done, want_read, want_write, closed, failed };
    struct Outcome {
        State state = State::failed;
        std::size_t bytes = 0;   ///< `done`: how many
    };

    /// `domain` is the default where the client sends no SNI (with STARTTLS: the stream's `to`).
    /// `direct`: insist on ALPN xmpp-client if the client offers ALPN at all (XEP-0368).
    /// Throws std::runtime_error if the store has no certificate at all.
    Tls(TlsStore& store, int descriptor, std::string_view domain, bool direct);
    ~Tls();
    Tls(Tls&&) noexcept;
    Tls& operator=(Tls&&) noexcept;

    State handshake();   ///< again and again until `done`
    /// The client's first message was whole, and has been answered: what is left of the handshake is cheap.
    bool has_answered() const noexcept;
    /// At most one record (16 KB) each time: read until `want_read`, or ask has_pending(). `closed`: the peer is done;
    /// a connection that was reset is `failed`.
    Outcome read(std::span<char> into);
    /// Partial writes are normal. After `want_write` the next call must begin with the same bytes; they may lie
    /// elsewhere, and more may follow them.
    Outcome write(std::string_view bytes);
    void shut_down() noexcept;   ///< sends close_notify, best effort

    bool established() const noexcept;
    bool has_pending() const noexcept;   ///< bytes wait inside: read again before waiting for the socket
    std::string exporter() const;        ///< RFC 9266 tls-exporter, 32 bytes; empty before TLS 1.3 without EMS
    /// RFC 5929 §3. With TLS 1.3 no RFC defines it, but widespread clients compute it there in the same way.
    /// Empty before TLS 1.3 without EMS.
    std::string unique() const;
    std::string server_end_point() const;   ///< RFC 5929 §4; empty if the certificate's signature has no hash (Ed25519)
    std::string_view version() const noexcept;   ///< "TLSv1.3"
    std::string_view cipher() const noexcept;
    std::string error() const;   ///< why `failed`, for the log

private:
    struct Session;
    std::unique_ptr<Session> session_;
};

}   // namespace tambo
