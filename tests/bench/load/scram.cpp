#include "scram.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "process.hpp"

namespace bench {

namespace {

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
std::string_view text(const ScramKeys::Hash& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }

ScramKeys::Hash hmac(std::string_view key, std::string_view message) {
    ScramKeys::Hash out{};
    unsigned length = out.size();
    HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), bytes(message), message.size(), out.data(), &length);
    return out;
}

/// "r=…,s=…,i=…": what stands behind a letter.
std::string_view field(std::string_view message, char letter) {
    while (!message.empty()) {
        const auto part = message.substr(0, message.find(','));
        if (part.size() > 2 && part[0] == letter && part[1] == '=') return part.substr(2);
        message.remove_prefix(std::min(message.size(), part.size() + 1));
    }
    return {};
}

}   // namespace

std::string to_base64(std::string_view in) {
    std::string out(4 * ((in.size() + 2) / 3) + 1, '\0');
    out.resize(static_cast<std::size_t>(EVP_EncodeBlock(bytes(out), bytes(in), static_cast<int>(in.size()))));
    return out;
}

std::string from_base64(std::string_view in) {
    std::string out(in.size() / 4 * 3 + 3, '\0');
    const int length = EVP_DecodeBlock(bytes(out), bytes(in), static_cast<int>(in.size()));
    if (length < 0) return {};
    const auto padding = in.ends_with("==") ? 2U : in.ends_with('=') ? 1U : 0U;
    out.resize(static_cast<std::size_t>(length) - padding);
    return out;
}

const ScramKeys::Keys& ScramKeys::of(std::uint32_t user, std::string_view password, std::string_view salt,
                                     int iterations) {
    auto& keys = keys_[user];
    if (keys.iterations == iterations && keys.salt == salt) return keys;
    Hash salted{};
    PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt), static_cast<int>(salt.size()),
                      iterations, EVP_sha1(), salted.size(), salted.data());
    keys = {.salt = std::string{salt},
            .iterations = iterations,
            .client = hmac(text(salted), "Client Key"),
            .server = hmac(text(salted), "Server Key")};
    return keys;
}

void ScramKeys::load(const std::string& name) {
    std::ifstream file{name};
    std::uint32_t user = 0;
    std::string salt, client, server;
    for (int iterations = 0; file >> user >> salt >> iterations >> client >> server;) {
        Keys keys{.salt = from_base64(salt), .iterations = iterations};
        const auto client_bytes = from_base64(client), server_bytes = from_base64(server);
        if (client_bytes.size() != keys.client.size() || server_bytes.size() != keys.server.size()) continue;
        std::ranges::copy(client_bytes, keys.client.begin());
        std::ranges::copy(server_bytes, keys.server.begin());
        keys_[user] = keys;
    }
}

void ScramKeys::save(const std::string& name) const {
    std::ofstream file{name};
    for (const auto& [user, keys] : keys_)
        file << user << ' ' << to_base64(keys.salt) << ' ' << keys.iterations << ' ' << to_base64(text(keys.client))
             << ' ' << to_base64(text(keys.server)) << '\n';
}

Scram::Scram(std::uint32_t user, std::string_view name)
    : user_(user), bare_first_(fmt::format("n={},r=bench{:x}x{:x}", name, user, now_ns())) {}

std::string Scram::first() const { return to_base64("n,," + bare_first_); }

std::string Scram::answer(std::string_view challenge, std::string_view password, ScramKeys& known) {
    const auto message = from_base64(challenge);
    const auto nonce = field(message, 'r');
    const int iterations = std::atoi(std::string{field(message, 'i')}.c_str());
    if (nonce.empty() || iterations <= 0) return {};
    const auto& keys = known.of(user_, password, from_base64(field(message, 's')), iterations);
    const auto bare_final = fmt::format("c=biws,r={}", nonce);
    const auto all = fmt::format("{},{},{}", bare_first_, message, bare_final);
    ScramKeys::Hash stored{};
    SHA1(keys.client.data(), keys.client.size(), stored.data());
    auto proof = hmac(text(stored), all);
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] ^= keys.client[i];
    server_signature_ = "v=" + to_base64(text(hmac(text(keys.server), all)));
    return to_base64(fmt::format("{},p={}", bare_final, to_base64(text(proof))));
}

bool Scram::proves(std::string_view success) const { return from_base64(success) == server_signature_; }

}   // namespace bench
