#include "net/tls.hpp"

#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "net/ascii_name.hpp"
#include "net/openssl.hpp"

namespace tambo {

namespace {

using Context = std::shared_ptr<SSL_CTX>;   // shared by the store and whoever is making a session of it just now

constexpr std::string_view session_id_context = "tambo";
// TLS 1.2 with forward secrecy and authenticated encryption only (RFC 9325 §4.2). TLS 1.3 has no other.
constexpr auto safe_tls12_ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::string_view alpn_xmpp_client = "\x0bxmpp-client";   // XEP-0368 §4, with its length as on the wire
constexpr std::size_t exporter_bytes = 32;                         // RFC 9266 §2

/// Tells whether a file was replaced.
struct Stamp {
    std::int64_t seconds = 0, nanoseconds = 0, size = 0;
    std::uint64_t inode = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;

    static Stamp of(const std::filesystem::path& file) noexcept {
        struct stat found{};
        if (::stat(file.c_str(), &found) != 0) return {};
        return {found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_size, found.st_ino};
    }
};

struct Stamps {
    Stamp chain, key;
    friend bool operator==(const Stamps&, const Stamps&) = default;
    static Stamps of(const TlsStore::Certificate& certificate) noexcept {
        return {Stamp::of(certificate.chain), Stamp::of(certificate.key)};
    }
};

}   // namespace

class TlsStore::Impl {
public:
    Impl(Settings settings, Log& log)
        : settings_(std::move(settings)), log_(log), method_(openssl::make_socket_method()) {}

    void add(const Certificate& certificate);
    std::size_t refresh();
    /// Null if the name is unknown. Exact names only: a domain that is served has its own entry.
    Context find(std::string_view domain) const;
    Context find_default() const;
    const BIO_METHOD& method() const noexcept { return *method_; }

private:
    struct Entry {
        Certificate certificate;
        Stamps stamps;   ///< of the files that were tried last, so that a bad one is reported once
        Context context;
    };

    Context make_context() const;
    Context load(const Certificate& certificate) const;
    void warn_if_expired(const Certificate& certificate, const SSL_CTX& context) const;
    std::vector<Entry> entries() const;
    bool renew(const Entry& old);

    const Settings settings_;
    Log& log_;
    const openssl::Method method_;
    mutable std::mutex mutex_;
    std::map<std::string, Entry, std::less<>> entries_;   // by ASCII name
    std::string default_name_;
};

namespace {

// --- What OpenSSL asks while it reads the ClientHello

struct Asked {
    const TlsStore::Impl* store;
    bool direct;
};

const Asked& asked_by(const SSL* ssl) { return *static_cast<const Asked*>(SSL_get_app_data(ssl)); }

int choose_certificate(SSL* ssl, int* /*alert*/, void* /*unused*/) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const Context context = name ? asked_by(ssl).store->find(name) : nullptr;
    // RFC 6066 §3 lets us go on with the default: clients that know the server under another name decide for
    // themselves.
    if (!context) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_SSL_CTX(ssl, context.get());
    return SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offers,
                    unsigned int offers_size, void* /*unused*/) {
    unsigned char* common = nullptr;
    const auto* ours = reinterpret_cast<const unsigned char*>(alpn_xmpp_client.data());
    const auto verdict =
        SSL_select_next_proto(&common, chosen_size, ours, unsigned{alpn_xmpp_client.size()}, offers, offers_size);
    if (verdict != OPENSSL_NPN_NEGOTIATED)
        return asked_by(ssl).direct ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
    *chosen = common;
    return SSL_TLSEXT_ERR_OK;
}

int refuse_passphrase(char* /*into*/, int /*size*/, int /*writing*/, void* /*unused*/) {
    return -1;   // OpenSSL would ask on the terminal
}

}   // namespace

// --- The store

Context TlsStore::Impl::make_context() const {
    Context context{SSL_CTX_new(TLS_server_method()), SSL_CTX_free};
    SSL_CTX* raw = context.get();
    if (!raw) throw std::bad_alloc{};
    SSL_CTX_set_min_proto_version(raw, settings_.allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION);
    // A stream ends with </stream:stream>, so a connection that just ends has lost nothing that TLS could tell us of.
    SSL_CTX_set_options(raw, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(raw,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(raw, 1);   // one recv() for a record instead of two; Tls::has_pending knows
    const char* ciphers = settings_.ciphers.empty() ? safe_tls12_ciphers : settings_.ciphers.c_str();
    if (SSL_CTX_set_cipher_list(raw, ciphers) != 1) {
        throw std::runtime_error{fmt::format("TLS ciphers \"{}\": {}", ciphers, openssl::take_error())};
    }
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(raw, static_cast<long>(settings_.sessions));
    SSL_CTX_set_session_id_context(raw, reinterpret_cast<const unsigned char*>(session_id_context.data()),
                                   unsigned{session_id_context.size()});
    SSL_CTX_set_num_tickets(raw, 1);   // a client resumes one connection, not two
    SSL_CTX_set_default_passwd_cb(raw, refuse_passphrase);
    SSL_CTX_set_tlsext_servername_callback(raw, choose_certificate);
    SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
    return context;
}

Context TlsStore::Impl::load(const Certificate& certificate) const {
    Context context = make_context();
    const auto complain = [&](const std::filesystem::path& file) {
        throw std::runtime_error{
            fmt::format("cannot use {} for {}: {}", file.native(), certificate.domain, openssl::take_error())};
    };
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.chain.c_str()) != 1) complain(certificate.chain);
    if (SSL_CTX_use_PrivateKey_file(context.get(), certificate.key.c_str(), SSL_FILETYPE_PEM) != 1) {
        complain(certificate.key);
    }
    if (SSL_CTX_check_private_key(context.get()) != 1) complain(certificate.key);
    return context;
}

void TlsStore::Impl::warn_if_expired(const Certificate& certificate, const SSL_CTX& context) const {
    const X509* x509 = SSL_CTX_get0_certificate(&context);
    if (X509_cmp_current_time(X509_get0_notAfter(x509)) >= 0) return;
    log_.warning("tls: the certificate in {} for {} has expired; clients will refuse it until it is renewed",
                 certificate.chain.native(), certificate.domain);
}

void TlsStore::Impl::add(const Certificate& certificate) {
    const Stamps stamps = Stamps::of(certificate);   // before reading: what changes meanwhile is seen by refresh()
    Context context = load(certificate);
    warn_if_expired(certificate, *context);
    const std::string name = ascii_name(certificate.domain);
    const std::scoped_lock lock{mutex_};
    if (entries_.empty()) default_name_ = name;
    entries_[name] = Entry{certificate, stamps, std::move(context)};
}

std::vector<TlsStore::Impl::Entry> TlsStore::Impl::entries() const {
    const std::scoped_lock lock{mutex_};
    std::vector<Entry> all;
    all.reserve(entries_.size());
    for (const auto& [name, entry] : entries_) all.push_back(entry);
    return all;
}

std::size_t TlsStore::Impl::refresh() {
    std::size_t renewed = 0;
    for (const Entry& entry : entries()) renewed += renew(entry) ? 1 : 0;
    return renewed;
}

bool TlsStore::Impl::renew(const Entry& old) {
    Entry fresh{old.certificate, Stamps::of(old.certificate), old.context};
    if (fresh.stamps == old.stamps) return false;
    try {
        fresh.context = load(fresh.certificate);
        warn_if_expired(fresh.certificate, *fresh.context);
    } catch (const std::exception& e) {
        log_.warning("tls: {}; the old certificate stays in use", e.what());
    }
    const bool renewed = fresh.context != old.context;
    if (renewed) log_.info("tls: took the renewed certificate for {}", fresh.certificate.domain);
    const std::scoped_lock lock{mutex_};
    entries_[ascii_name(fresh.certificate.domain)] = std::move(fresh);
    return renewed;
}

Context TlsStore::Impl::find(std::string_view domain) const {
    const std::string name = ascii_name(domain);
    const std::scoped_lock lock{mutex_};
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : found->second.context;
}

Context TlsStore::Impl::find_default() const {
    const std::scoped_lock lock{mutex_};
    const auto found = entries_.find(default_name_);
    return found == entries_.end() ? nullptr : found->second.context;
}

TlsStore::TlsStore(Settings settings, Log& log) : impl_(std::make_shared<Impl>(std::move(settings), log)) {}
TlsStore::~TlsStore() = default;

void TlsStore::add(const Certificate& certificate) { impl_->add(certificate); }

std::size_t TlsStore::refresh() { return impl_->refresh(); }

bool TlsStore::has(std::string_view domain) const { return impl_->find(domain) != nullptr; }

// --- One connection

namespace {

/// RFC 9266 §4.2, RFC 7627 §1: before TLS 1.3 somebody between us could make two sessions alike, unless the extended
/// master secret was agreed on.
bool is_one_of_a_kind(const SSL* ssl) {
    return SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(const_cast<SSL*>(ssl)) == 1;
}

}   // namespace

struct Tls::Session {
    std::shared_ptr<TlsStore::Impl> store;   // OpenSSL asks it while the handshake runs
    Asked asked{};
    openssl::Ssl ssl;
    bool drained = false;   // the last read found nothing whole: what OpenSSL holds is a piece of a record
    bool dead = false;
    std::string error;

    State judge(int result);
    State fail(std::string why);
    bool is_established() const noexcept { return !dead && SSL_is_init_finished(ssl.get()) == 1; }
};

Tls::State Tls::Session::judge(int result) {
    const int socket_error = errno;
    switch (SSL_get_error(ssl.get(), result)) {
        case SSL_ERROR_NONE:
            return State::done;
        case SSL_ERROR_WANT_READ:
            return State::want_read;
        case SSL_ERROR_WANT_WRITE:
            return State::want_write;
        case SSL_ERROR_ZERO_RETURN:
            return State::closed;
        case SSL_ERROR_SYSCALL:
            return fail(std::generic_category().message(socket_error));
        default:
            return fail(openssl::take_error());
    }
}

Tls::State Tls::Session::fail(std::string why) {
    ERR_clear_error();
    dead = true;
    error = std::move(why);
    return State::failed;
}

Tls::Tls(TlsStore& store, int descriptor, std::string_view domain, bool direct)
    : session_(std::make_unique<Session>()) {
    session_->store = store.impl_;
    session_->asked = {session_->store.get(), direct};
    Context context = session_->store->find(domain);
    if (!context) context = session_->store->find_default();
    if (!context) throw std::runtime_error{"no certificate is loaded"};
    session_->ssl.reset(SSL_new(context.get()));
    BIO* bio = session_->ssl ? openssl::make_socket_bio(session_->store->method(), descriptor) : nullptr;
    if (!bio) throw std::bad_alloc{};
    SSL_set_bio(session_->ssl.get(), bio, bio);
    SSL_set_app_data(session_->ssl.get(), &session_->asked);
    SSL_set_accept_state(session_->ssl.get());
}

Tls::~Tls() = default;
Tls::Tls(Tls&&) noexcept = default;
Tls& Tls::operator=(Tls&&) noexcept = default;

Tls::State Tls::handshake() {
    if (session_->dead) return State::failed;
    ERR_clear_error();
    return session_->judge(SSL_do_handshake(session_->ssl.get()));
}

bool Tls::has_answered() const noexcept {
    const auto state = SSL_get_state(session_->ssl.get());
    return state != TLS_ST_BEFORE && state != TLS_ST_SR_CLNT_HELLO;
}

Tls::Outcome Tls::read(std::span<char> into) {
    if (session_->dead) return {};
    ERR_clear_error();
    std::size_t bytes = 0;
    const auto state = session_->judge(SSL_read_ex(session_->ssl.get(), into.data(), into.size(), &bytes));
    session_->drained = state != State::done;
    return {state, bytes};
}

Tls::Outcome Tls::write(std::string_view bytes) {
    if (session_->dead) return {};
    if (bytes.empty()) return {State::done, 0};   // OpenSSL would send an empty record
    ERR_clear_error();
    std::size_t written = 0;
    const auto state = session_->judge(SSL_write_ex(session_->ssl.get(), bytes.data(), bytes.size(), &written));
    return {state, written};
}

void Tls::shut_down() noexcept {
    if (!session_->is_established()) return;   // SSL_shutdown(3): not after a fatal error, not within a handshake
    ERR_clear_error();
    SSL_shutdown(session_->ssl.get());
    ERR_clear_error();
}

bool Tls::established() const noexcept { return session_->is_established(); }

bool Tls::has_pending() const noexcept {
    return !session_->dead && !session_->drained && SSL_has_pending(session_->ssl.get()) == 1;
}

std::string Tls::exporter() const {
    SSL* ssl = session_->ssl.get();
    if (!session_->is_established()) return {};
    if (!is_one_of_a_kind(ssl)) return {};
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    std::string value(exporter_bytes, '\0');
    const int done = SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(value.data()), value.size(),
                                                label.data(), label.size(), nullptr, 0, /*use_context*/ 1);
    ERR_clear_error();
    return done == 1 ? value : std::string{};
}

std::string Tls::server_end_point() const {
    const X509* certificate = session_->is_established() ? SSL_get_certificate(session_->ssl.get()) : nullptr;
    int hash = NID_undef;
    if (!certificate ||
        X509_get_signature_info(const_cast<X509*>(certificate), &hash, nullptr, nullptr, nullptr) != 1 ||
        hash == NID_undef) {
        ERR_clear_error();
        return {};
    }
    // RFC 5929 §4.1: MD5 and SHA-1 are replaced.
    const EVP_MD* digest = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
    std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
    unsigned int size = 0;
    if (!digest || X509_digest(certificate, digest, value.data(), &size) != 1) {
        ERR_clear_error();
        return {};
    }
    return {reinterpret_cast<const char*>(value.data()), size};
}

std::string Tls::unique() const {
    SSL* ssl = session_->ssl.get();
    if (!session_->is_established() || !is_one_of_a_kind(ssl)) return {};
    std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
    // RFC 5929 §3.1: the first Finished message; the client sends it, unless a session was resumed.
    const auto size = SSL_session_reused(ssl) == 1 ? SSL_get_finished(ssl, value.data(), value.size())
                                                   : SSL_get_peer_finished(ssl, value.data(), value.size());
    return {reinterpret_cast<const char*>(value.data()), std::min(size, value.size())};
}

std::string_view Tls::version() const noexcept { return SSL_get_version(session_->ssl.get()); }

std::string_view Tls::cipher() const noexcept { return SSL_get_cipher_name(session_->ssl.get()); }

std::string Tls::error() const { return session_->error; }

}   // namespace tambo
