// RFC 5802 §3, RFC 7677: what a server keeps instead of a password.
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include <climits>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <tambo/auth.hpp>
#include <tambo/bytes.hpp>

#include "store/pbkdf2.hpp"

namespace tambo {

namespace {

constexpr std::size_t salt_bytes = 16;

const EVP_MD* digest(std::string_view hash) {
    if (hash == "SHA-1") return EVP_sha1();
    if (hash == "SHA-256") return EVP_sha256();
    if (hash == "SHA-512") return EVP_sha512();
    throw std::invalid_argument{fmt::format("no SCRAM hash is called \"{}\"", hash)};
}

int length(std::string_view bytes) {
    if (bytes.size() > INT_MAX) throw std::invalid_argument{"too long to be a password or salt"};
    return static_cast<int>(bytes.size());
}

const unsigned char* start(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* start(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

/// Bytes from which the password could be attacked; wiped when they go.
struct Wiped {
    explicit Wiped(std::string b) : bytes(std::move(b)) {}
    ~Wiped() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
    Wiped(const Wiped&) = delete;
    Wiped& operator=(const Wiped&) = delete;
    std::string bytes;
};

std::string hmac(const EVP_MD* md, std::string_view key, std::string_view text) {
    std::string out(static_cast<std::size_t>(EVP_MD_get_size(md)), '\0');
    unsigned written = 0;
    if (!HMAC(md, key.data(), length(key), start(text), text.size(), start(out), &written) || written != out.size())
        throw std::runtime_error{"OpenSSL refused to compute an HMAC"};
    return out;
}

std::string hash_of(const EVP_MD* md, std::string_view text) {
    std::string out(static_cast<std::size_t>(EVP_MD_get_size(md)), '\0');
    if (EVP_Digest(text.data(), text.size(), start(out), nullptr, md, nullptr) != 1)
        throw std::runtime_error{"OpenSSL refused to compute a hash"};
    return out;
}

}   // namespace

ScramKeys derive_scram(std::string_view hash, std::string_view password, std::string_view salt,
                       std::uint32_t iterations) {
    const auto* md = digest(hash);
    if (iterations == 0 || iterations > INT_MAX) throw std::invalid_argument{"SCRAM needs at least one iteration"};
    const Wiped salted{pbkdf2(hash, password, salt, iterations)};
    const Wiped client_key{hmac(md, salted.bytes, "Client Key")};
    return {std::string{hash}, std::string{salt}, iterations, hash_of(md, client_key.bytes),
            hmac(md, salted.bytes, "Server Key")};
}

Credentials derive_credentials(std::string_view prepared_password, std::uint32_t iterations) {
    Credentials credentials;
    for (const std::string_view hash : {"SHA-1", "SHA-256"})
        credentials.keys.push_back(derive_scram(hash, prepared_password, random_bytes(salt_bytes), iterations));
    return credentials;
}

}   // namespace tambo
