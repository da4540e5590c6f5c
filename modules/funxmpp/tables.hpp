// The dictionaries, as data: token to text by index, text to token by perfect hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dialect.hpp"
#include "token_hash.hpp"

namespace tambo::funxmpp {

struct Token {
    std::uint16_t offset;
    std::uint8_t length;   ///< 0: not assigned
    std::uint8_t name;     ///< 0: not a QName; else 1 + bytes of prefix and colon
};

/// Bytes behind the last token that may be read, so that tokens can be copied in pieces of this size.
inline constexpr std::size_t token_padding = 32;

/// One dialect's dictionary. Read-only data without pointers to relocate beyond these, so it costs nothing at start-up.
///
/// A token of one byte has that byte as index; byte XX of page p (ec is page 0) has index 256 + 256 p + XX.
struct Tables {
    const char* text;
    const Token* tokens;
    std::uint32_t token_count;
    const std::uint16_t* displacements;
    std::uint32_t displacement_count;
    const std::uint16_t* slots;
    std::uint32_t slot_count;
    std::uint32_t longest;

    static constexpr std::uint32_t none = 0;   ///< no token has index 0

    /// Null if there is no such token.
    const Token* token(std::uint32_t index) const noexcept {
        return index < token_count && tokens[index].length > 0 ? &tokens[index] : nullptr;
    }
    std::string_view at(const Token& token) const noexcept { return {text + token.offset, token.length}; }

    /// The index of the token that says exactly this, or `none`.
    std::uint32_t find(std::string_view said) const noexcept {
        if (said.size() > longest) return none;
        const auto hash = token_hash(said);
        const auto index = slots[token_slot(hash, displacements[hash & (displacement_count - 1)], slot_count)];
        return is_same(at(tokens[index]), said) && !said.empty() ? index : none;
    }
};

const Tables& tables(Dialect dialect) noexcept;

struct NameRange {
    std::uint16_t first, last;
    bool may_start;
};

}   // namespace tambo::funxmpp
