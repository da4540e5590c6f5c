// The hash of the token tables; the generator and the library have to agree on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "words.hpp"

namespace tambo::funxmpp {

/// Mixes eight bytes at a time. Not for what strangers choose to collide: a collision only costs a comparison.
inline std::uint64_t token_hash(std::string_view text) noexcept {
    constexpr std::uint64_t mixer = 0x9e37'79b9'7f4a'7c15;
    const auto mix = [](std::uint64_t h, std::uint64_t v) {
        h = (h ^ v) * mixer;
        return h ^ (h >> 29);
    };
    std::uint64_t hash = text.size() * mixer;
    const char* at = text.data();
    const auto size = text.size();
    if (size < 8) return mix(mix(hash, short_word(text)), mixer);
    for (std::size_t i = 0; i + 8 < size; i += 8) hash = mix(hash, word<std::uint64_t>(at + i));
    return mix(mix(hash, word<std::uint64_t>(at + size - 8)), mixer);   // words overlap rather than leave a rest
}

/// Where a token with this hash would stand in a table of `slots` (a power of two), given its bucket's displacement.
inline std::uint32_t token_slot(std::uint64_t hash, std::uint32_t displacement, std::uint32_t slots) noexcept {
    const auto upper = static_cast<std::uint32_t>(hash >> 32);
    const auto step = static_cast<std::uint32_t>(hash >> 16) | 1U;
    return (upper + displacement * step) & (slots - 1);
}

}   // namespace tambo::funxmpp
