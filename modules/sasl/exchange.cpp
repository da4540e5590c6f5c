#include "exchange.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace tambo::sasl {

namespace {

constexpr std::array<Mechanism, 5> all_mechanisms{{
    {"SCRAM-SHA-256-PLUS", "SHA-256", true},
    {"SCRAM-SHA-1-PLUS", "SHA-1", true},
    {"SCRAM-SHA-256", "SHA-256", false},
    {"SCRAM-SHA-1", "SHA-1", false},
    {"PLAIN", {}, false},
}};

constexpr std::size_t decoy_salt_bytes = 16;   // as long as the real ones

/// Cuts the next field off at its comma; nullopt if none is left.
std::optional<std::string_view> take_field(std::string_view& rest) {
    const auto comma = rest.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    const auto field = rest.substr(0, comma);
    rest.remove_prefix(comma + 1);
    return field;
}

/// RFC 5802 §5.1, saslname: "=2C" is a comma, "=3D" an equals sign, no other "=" may occur, and it isn't empty.
std::optional<std::string> read_saslname(std::string_view field, std::string_view prefix) {
    if (!field.starts_with(prefix) || field.size() == prefix.size()) return std::nullopt;
    std::string name;
    for (auto rest = field.substr(prefix.size()); !rest.empty();) {
        if (rest.front() != '=') {
            name += rest.front();
            rest.remove_prefix(1);
            continue;
        }
        if (!rest.starts_with("=2C") && !rest.starts_with("=3D")) return std::nullopt;
        name += rest[1] == '2' ? ',' : '=';
        rest.remove_prefix(3);
    }
    return name;
}

/// RFC 5802 §7, gs2-cbind-flag.
bool is_binding_flag(std::string_view flag) noexcept {
    if (flag == "n" || flag == "y") return true;
    if (!flag.starts_with("p=") || flag.size() == 2) return false;
    return std::ranges::all_of(flag.substr(2), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    });
}

/// RFC 5802 §7, nonce: printable ASCII without comma.
bool is_nonce(std::string_view field) noexcept {
    return field.starts_with("r=") && field.size() > 2 &&
           std::ranges::all_of(field.substr(2), [](char c) { return c > 0x20 && c < 0x7f; });
}

/// RFC 5802 §7, client-first-message. "m=" in place of the name is an extension that we would have to know: refused.
Outcome<Claim> read_scram(std::string_view message) {
    constexpr auto malformed = std::unexpected{Failure::malformed_request};
    if (message.find('\0') != std::string_view::npos) return malformed;
    const auto flag = take_field(message);
    const auto authzid = take_field(message);
    const auto name = take_field(message);
    if (!flag || !authzid || !name || !is_binding_flag(*flag)) return malformed;
    if (!is_nonce(message.substr(0, message.find(',')))) return malformed;

    Claim claim;
    if (!authzid->empty()) {
        auto other = read_saslname(*authzid, "a=");
        if (!other) return malformed;
        claim.authzid = std::move(*other);
    }
    auto own = read_saslname(*name, "n=");
    if (!own) return malformed;
    claim.name = std::move(*own);
    return claim;
}

/// RFC 4616 §2: [authzid] NUL authcid NUL passwd. Ours rather than GNU SASL's, which wants to know at once whether the
/// password is right; we ask a worker thread.
Outcome<Claim> read_plain(std::string_view message) {
    const auto first = message.find('\0');
    const auto second = first == std::string_view::npos ? first : message.find('\0', first + 1);
    if (second == std::string_view::npos) return std::unexpected{Failure::malformed_request};
    Claim claim{.name = std::string{message.substr(first + 1, second - first - 1)},
                .authzid = std::string{message.substr(0, first)},
                .password = std::string{message.substr(second + 1)}};
    if (claim.name.empty() || claim.password.empty() || claim.password.find('\0') != std::string::npos)
        return std::unexpected{Failure::malformed_request};
    return claim;
}

void set(Gsasl_session* session, Gsasl_property property, const std::string& value) {
    if (gsasl_property_set(session, property, value.c_str()) != GSASL_OK) throw std::bad_alloc{};
}

Failure failure_from(int code) noexcept {
    switch (code) {
        case GSASL_MECHANISM_PARSE_ERROR:
        case GSASL_BASE64_ERROR:
            return Failure::malformed_request;
        case GSASL_MALLOC_ERROR:
        case GSASL_CRYPTO_ERROR:
            return Failure::temporary_auth_failure;
        default:
            return Failure::not_authorized;
    }
}

}   // namespace

std::string_view to_string(Failure failure) noexcept {
    switch (failure) {
        case Failure::aborted:
            return "aborted";
        case Failure::encryption_required:
            return "encryption-required";
        case Failure::incorrect_encoding:
            return "incorrect-encoding";
        case Failure::invalid_authzid:
            return "invalid-authzid";
        case Failure::invalid_mechanism:
            return "invalid-mechanism";
        case Failure::malformed_request:
            return "malformed-request";
        case Failure::not_authorized:
            return "not-authorized";
        case Failure::temporary_auth_failure:
            return "temporary-auth-failure";
    }
    return "not-authorized";
}

std::span<const Mechanism> mechanisms() noexcept { return all_mechanisms; }

const Mechanism* find_mechanism(std::string_view name) noexcept {
    const auto found = std::ranges::find(all_mechanisms, name, &Mechanism::name);
    return found == all_mechanisms.end() ? nullptr : &*found;
}

Outcome<Bytes> decode(std::string_view text) {
    if (text == "=") return Bytes{};
    auto bytes = from_base64(text);
    if (!bytes) return std::unexpected{Failure::incorrect_encoding};
    return std::move(*bytes);
}

Outcome<Claim> read_claim(const Mechanism& mechanism, std::string_view first_message) {
    return mechanism.is_plain() ? read_plain(first_message) : read_scram(first_message);
}

Library::Library() {
    Gsasl* context = nullptr;
    if (const int code = gsasl_init(&context); code != GSASL_OK)
        throw std::runtime_error{std::string{"GNU SASL does not start: "} + gsasl_strerror(code)};
    context_ = std::shared_ptr<Gsasl>{context, gsasl_done};
    for (const auto& mechanism : all_mechanisms)
        if (!gsasl_server_support_p(context, std::string{mechanism.name}.c_str()))
            throw std::runtime_error{"this GNU SASL does not know " + std::string{mechanism.name}};
}

void Exchange::Finish::operator()(Gsasl_session* session) const noexcept { gsasl_finish(session); }

Exchange::Exchange(const Library& library, const Mechanism& mechanism, const ScramKeys& keys, const Channel& channel)
    : context_(library.context()),
      binds_channel_(mechanism.binds_channel),
      plus_was_offered_(channel.plus_was_offered) {
    Gsasl_session* session = nullptr;
    if (const int code = gsasl_server_start(context_.get(), std::string{mechanism.name}.c_str(), &session);
        code != GSASL_OK)
        throw std::runtime_error{std::string{"GNU SASL does not begin: "} + gsasl_strerror(code)};
    session_.reset(session);
    set(session, GSASL_SCRAM_ITER, std::to_string(keys.iterations));
    set(session, GSASL_SCRAM_SALT, base64(keys.salt));
    set(session, GSASL_SCRAM_STOREDKEY, base64(keys.stored_key));
    set(session, GSASL_SCRAM_SERVERKEY, base64(keys.server_key));
    if (!binds_channel_) return;   // with these GNU SASL would refuse every "y"; check_binding knows what was offered
    if (!channel.exporter.empty()) set(session, GSASL_CB_TLS_EXPORTER, base64(channel.exporter));
    if (!channel.unique.empty()) set(session, GSASL_CB_TLS_UNIQUE, base64(channel.unique));
}

/// RFC 5802 §6: "p" belongs to -PLUS and only there; "y" means "I could bind, but you can't", which is false if we
/// offered it: somebody between us took the offer away.
Outcome<void> Exchange::check_binding(std::string_view client_first) const {
    const bool binds = client_first.starts_with("p=");
    const bool thinks_we_cannot = client_first.starts_with("y,");
    if (binds != binds_channel_ || (thinks_we_cannot && plus_was_offered_))
        return std::unexpected{Failure::not_authorized};
    return {};
}

Exchange::Step Exchange::fail(Failure why) noexcept {
    session_.reset();
    return Step{State::failure, {}, why};
}

Exchange::Step Exchange::step(std::string_view message) {
    if (!session_ || message.empty() || message.find('\0') != std::string_view::npos)
        return fail(Failure::malformed_request);
    if (std::exchange(is_first_, false)) {
        // Read it ourselves first: GNU SASL is more lenient, and the name that it sees must be the one we looked up.
        if (const auto claim = read_scram(message); !claim) return fail(claim.error());
        if (const auto bound = check_binding(message); !bound) return fail(bound.error());
    }
    char* output = nullptr;
    std::size_t length = 0;
    const int code = gsasl_step(session_.get(), message.data(), message.size(), &output, &length);
    const std::unique_ptr<char, decltype(&gsasl_free)> owned{output, gsasl_free};
    if (code != GSASL_OK && code != GSASL_NEEDS_MORE) return fail(failure_from(code));
    Step step{code == GSASL_OK ? State::success : State::challenge, Bytes{output, length}, {}};
    if (code == GSASL_OK) session_.reset();
    return step;
}

bool matches(const ScramKeys& keys, std::string_view prepared_password) {
    return same(derive_scram(keys.hash, prepared_password, keys.salt, keys.iterations).stored_key, keys.stored_key);
}

ScramKeys decoy_keys(std::string_view secret, std::string_view hash, std::string_view name, std::uint32_t iterations) {
    const auto made_up = [&](std::string_view what) {
        return mac(secret, std::string{hash} + '\0' + std::string{what} + '\0' + std::string{name});
    };
    const std::size_t key_bytes = hash == "SHA-1" ? 20 : 32;
    return ScramKeys{.hash = std::string{hash},
                     .salt = made_up("salt").substr(0, decoy_salt_bytes),
                     .iterations = iterations,
                     .stored_key = made_up("stored key").substr(0, key_bytes),
                     .server_key = made_up("server key").substr(0, key_bytes)};
}

Bytes mac(std::string_view key, std::string_view text) {
    Bytes result(32, '\0');
    unsigned int length = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(),
             reinterpret_cast<unsigned char*>(result.data()), &length) == nullptr)
        throw std::runtime_error{"OpenSSL cannot compute HMAC-SHA-256"};
    return result;
}

bool same(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}   // namespace tambo::sasl
