// Which characters may stand as they are in a line that people or programs read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <unicode/utf8.h>

namespace tambo {

/// Invisible marks that turn the direction of text or end a line: they could make a line show what it does not say.
inline bool is_deceptive(std::int32_t c) noexcept {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

/// Calls plain(code point, bytes) for each good character and odd(code point, bytes) for the others; code point -1: not
/// UTF-8.
template <class Plain, class Odd>
void walk_characters(std::string_view text, Plain plain, Odd odd) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    const auto size = static_cast<std::int32_t>(text.size());
    for (std::int32_t at = 0; at < size;) {
        const auto start = at;
        std::int32_t c = 0;
        U8_NEXT(bytes, at, size, c);   // NOLINT(bugprone-inc-dec-in-conditions): ICU's macro
        const auto character = text.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(at - start));
        if (c < 0 || is_deceptive(c))
            odd(c, character);
        else
            plain(c, character);
    }
}

}   // namespace tambo
