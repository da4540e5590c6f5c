// How credentials are written into the store: text, a line that names the format, then a line for each hash.
//
//   tambo-scram-1
//   SHA-256 10000 <salt> <stored key> <server key>        (base64)
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <tambo/auth.hpp>
#include <tambo/bytes.hpp>

namespace auth_store {

constexpr std::string_view record_format = "tambo-scram-1";
constexpr std::size_t max_record_bytes = 8192;
constexpr std::size_t max_salt_bytes = 1024;
constexpr std::size_t max_hashes = 8;

/// 0 for a hash that nobody here knows.
constexpr std::size_t hash_bytes(std::string_view hash) noexcept {
    if (hash == "SHA-1") return 20;
    if (hash == "SHA-256") return 32;
    if (hash == "SHA-512") return 64;
    return 0;
}

/// True for what can be written and read again: one to eight known hashes, each once, with keys of the right length.
inline bool is_sound(const tambo::Credentials& credentials) noexcept {
    if (credentials.keys.empty() || credentials.keys.size() > max_hashes) return false;
    for (const auto& keys : credentials.keys) {
        const auto bytes = hash_bytes(keys.hash);
        if (bytes == 0 || credentials.find(keys.hash) != &keys) return false;
        if (keys.stored_key.size() != bytes || keys.server_key.size() != bytes) return false;
        if (keys.iterations == 0 || keys.salt.empty() || keys.salt.size() > max_salt_bytes) return false;
    }
    return true;
}

inline tambo::Bytes write(const tambo::Credentials& credentials) {
    auto record = fmt::format("{}\n", record_format);
    for (const auto& keys : credentials.keys)
        record += fmt::format("{} {} {} {} {}\n", keys.hash, keys.iterations, tambo::base64(keys.salt),
                              tambo::base64(keys.stored_key), tambo::base64(keys.server_key));
    return record;
}

/// Cuts the front of `text` off, up to `end`, which goes too; nullopt if there is no such end.
inline std::optional<std::string_view> take(std::string_view& text, char end) noexcept {
    const auto at = text.find(end);
    if (at == std::string_view::npos) return std::nullopt;
    const auto front = text.substr(0, at);
    text.remove_prefix(at + 1);
    return front;
}

inline std::optional<tambo::ScramKeys> read_keys(std::string_view line) {
    const auto hash = take(line, ' ');
    const auto iterations = take(line, ' ');
    const auto salt = take(line, ' ');
    const auto stored_key = take(line, ' ');
    if (!hash || !iterations || !salt || !stored_key) return std::nullopt;
    std::uint32_t count = 0;
    const auto [end, error] = std::from_chars(iterations->data(), iterations->data() + iterations->size(), count);
    if (error != std::errc{} || end != iterations->data() + iterations->size()) return std::nullopt;
    auto raw_salt = tambo::from_base64(*salt);
    auto raw_stored = tambo::from_base64(*stored_key);
    auto raw_server = tambo::from_base64(line);
    if (!raw_salt || !raw_stored || !raw_server) return std::nullopt;
    return tambo::ScramKeys{std::string{*hash}, std::move(*raw_salt), count, std::move(*raw_stored),
                            std::move(*raw_server)};
}

/// Nullopt for anything that write() did not write: a damaged record lets nobody in.
inline std::optional<tambo::Credentials> read(std::string_view record) {
    if (record.size() > max_record_bytes || take(record, '\n') != record_format) return std::nullopt;
    tambo::Credentials credentials;
    while (!record.empty()) {
        const auto line = take(record, '\n');
        auto keys = line ? read_keys(*line) : std::nullopt;
        if (!keys || credentials.keys.size() == max_hashes) return std::nullopt;
        credentials.keys.push_back(std::move(*keys));
    }
    if (!is_sound(credentials)) return std::nullopt;
    return credentials;
}

}   // namespace auth_store
