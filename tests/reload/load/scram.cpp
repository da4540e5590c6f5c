#include "scram.hpp"

#include <array>
#include <charconv>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <tambo/bytes.hpp>

namespace load {

namespace {

constexpr std::size_t hash_bytes = 32;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string hash(std::string_view text) {
    std::array<unsigned char, hash_bytes> out{};
    EVP_Digest(text.data(), text.size(), out.data(), nullptr, EVP_sha256(), nullptr);
    return {out.begin(), out.end()};
}

std::string mac(std::string_view key, std::string_view text) {
    std::array<unsigned char, hash_bytes> out{};
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(), out.data(), nullptr);
    return {out.begin(), out.end()};
}

/// Slow by design, and the same for all clients of an account: derived once.
std::string salted(const std::string& password, const std::string& salt, int iterations) {
    static std::map<std::string, std::string> known;
    auto& key = known[salt + '\0' + password + std::to_string(iterations)];
    if (!key.empty()) return key;
    std::array<unsigned char, hash_bytes> out{};
    PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes_of(salt), static_cast<int>(salt.size()),
                      iterations, EVP_sha256(), hash_bytes, out.data());
    return key.assign(out.begin(), out.end());
}

std::string_view field(std::string_view message, char name) {
    while (!message.empty()) {
        const auto comma = message.find(',');
        const auto part = message.substr(0, comma);
        if (part.size() > 2 && part[0] == name && part[1] == '=') return part.substr(2);
        message.remove_prefix(comma == std::string_view::npos ? message.size() : comma + 1);
    }
    throw std::runtime_error{std::string{"SCRAM: there is no "} + name + "= in what the server said"};
}

}   // namespace

Scram::Scram(std::string user, std::string password)
    : user_(std::move(user)), password_(std::move(password)), nonce_(tambo::base64(tambo::random_bytes(18))) {}

std::string Scram::first() const { return "n,,n=" + user_ + ",r=" + nonce_; }

std::string Scram::answer(std::string_view challenge) {
    const auto salt = tambo::from_base64(field(challenge, 's'));
    const auto rounds = field(challenge, 'i');
    int iterations = 0;
    std::from_chars(rounds.data(), rounds.data() + rounds.size(), iterations);
    if (!salt || iterations < 1) throw std::runtime_error{"SCRAM: salt or iterations make no sense"};
    const auto key = salted(password_, *salt, iterations);
    const auto without_proof = "c=biws,r=" + std::string{field(challenge, 'r')};
    const auto spoken = "n=" + user_ + ",r=" + nonce_ + "," + std::string{challenge} + "," + without_proof;
    auto proof = mac(key, "Client Key");
    const auto mask = mac(hash(proof), spoken);
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ mask[i]);
    signature_ = mac(mac(key, "Server Key"), spoken);
    return without_proof + ",p=" + tambo::base64(proof);
}

bool Scram::is_proven(std::string_view success) const { return success == "v=" + tambo::base64(signature_); }

}   // namespace load
