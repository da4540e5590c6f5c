// Text by words of the machine: what there is mostly is too short for a call.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tambo::funxmpp {

template <class Word>
std::uint64_t word(const char* at) noexcept {
    Word word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

/// All of up to seven bytes, without a loop.
inline std::uint64_t short_word(std::string_view text) noexcept {
    const auto* at = text.data();
    const auto size = text.size();
    if (size >= 4) return word<std::uint32_t>(at) << 32U | word<std::uint32_t>(at + size - 4);
    if (size == 0) return 0;
    return word<std::uint8_t>(at) << 16U | word<std::uint8_t>(at + size / 2) << 8U | word<std::uint8_t>(at + size - 1);
}

/// a == b.
inline bool is_same(std::string_view a, std::string_view b) noexcept {
    const auto size = a.size();
    if (size != b.size()) return false;
    if (size < 8) return short_word(a) == short_word(b);
    const auto differ = [&](std::size_t i) {
        return word<std::uint64_t>(a.data() + i) != word<std::uint64_t>(b.data() + i);
    };
    for (std::size_t i = 0; i + 8 < size; i += 8)
        if (differ(i)) return false;
    return !differ(size - 8);
}

/// Sixteen characters at once: the compiler makes of it what the processor has. Comparing two gives one of yes and no.
using Block [[gnu::vector_size(16)]] = signed char;
inline constexpr std::size_t block_bytes = sizeof(Block);

inline Block block(const char* at) noexcept {
    Block block;
    std::memcpy(&block, at, sizeof block);
    return block;
}
inline bool has_yes(Block block) noexcept {
    const auto halves = std::bit_cast<std::array<std::uint64_t, 2>>(block);
    return (halves[0] | halves[1]) != 0;
}

}   // namespace tambo::funxmpp
