#include "characters.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "tables.hpp"
#include "words.hpp"

namespace tambo::funxmpp {

namespace {

#include "funxmpp_names.inc"

enum class Ascii : std::uint8_t { other, further, start };

constexpr auto ascii = [] {
    std::array<Ascii, 128> table{};
    for (unsigned char c = 'a'; c <= 'z'; ++c) table[c] = Ascii::start;
    for (unsigned char c = 'A'; c <= 'Z'; ++c) table[c] = Ascii::start;
    for (unsigned char c = '0'; c <= '9'; ++c) table[c] = Ascii::further;
    table['_'] = Ascii::start;
    table['-'] = table['.'] = Ascii::further;
    return table;
}();

bool is_continuation(unsigned char c) noexcept { return (c & 0xc0U) == 0x80; }

/// One character of several bytes; 0 if it is not UTF-8. `at` moves behind it.
std::uint32_t decode(const unsigned char*& at, const unsigned char* end) noexcept {
    const auto lead = *at;
    const std::ptrdiff_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || end - at < length) return 0;
    std::uint32_t c = lead & (0x7fU >> length);
    for (std::ptrdiff_t i = 1; i < length; ++i) {
        if (!is_continuation(at[i])) return 0;
        c = (c << 6U) | (at[i] & 0x3fU);
    }
    const bool is_overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
    if (is_overlong || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return 0;
    at += length;
    return c;
}

/// Eight plain characters at once: none beyond ASCII, none below the space.
bool is_plain(const unsigned char* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    constexpr std::uint64_t high = 0x8080'8080'8080'8080, space = 0x2020'2020'2020'2020;
    return ((word | (word - space)) & high) == 0;
}

bool is_name_character(std::uint32_t c, bool must_start) noexcept {
    if (c > 0xffff) return false;
    const auto* found = std::upper_bound(std::begin(name_ranges), std::end(name_ranges), c,
                                         [](std::uint32_t v, const NameRange& r) { return v <= r.last; });
    return found != std::end(name_ranges) && found->first <= c && (found->may_start || !must_start);
}

/// Steps over an NCName; null if there is none. Ends at a colon or at the end.
const unsigned char* behind_ncname(const unsigned char* at, const unsigned char* end) noexcept {
    const auto* const begin = at;
    while (at < end && *at != ':') {
        const bool is_first = at == begin;
        if (*at < 0x80) {
            if (ascii[*at++] < (is_first ? Ascii::start : Ascii::further)) return nullptr;
        } else if (!is_name_character(decode(at, end), is_first)) {
            return nullptr;
        }
    }
    return at == begin ? nullptr : at;
}

/// Are all of them plain? Pieces overlap rather than leave a rest.
bool is_all_plain(const unsigned char* at, std::size_t size) noexcept {
    if (size < 8) {
        std::array<unsigned char, 8> padded;
        padded.fill(' ');
        for (std::size_t i = 0; i < size; ++i) padded[i] = at[i];
        return is_plain(padded.data());
    }
    if (size >= block_bytes) {
        const auto* const text = reinterpret_cast<const char*>(at);
        const auto is_odd = [&](std::size_t i) { return has_yes(block(text + i) < ' '); };   // beyond ASCII is below 0
        for (std::size_t i = 0; i + block_bytes < size; i += block_bytes)
            if (is_odd(i)) return false;
        return !is_odd(size - block_bytes);
    }
    const auto* const last = at + size - 8;
    return is_plain(at) && is_plain(last);
}

}   // namespace

Fault check_text(std::string_view text) noexcept {
    const auto* at = reinterpret_cast<const unsigned char*>(text.data());
    if (is_all_plain(at, text.size())) return Fault::none;
    const auto* const end = at + text.size();
    auto verdict = Fault::none;   // bad UTF-8 is worse than a bad character, wherever it stands
    while (at < end) {
        if (end - at >= 8 && is_plain(at)) {
            at += 8;
        } else if (*at < 0x80) {
            const auto c = *at++;
            if (c < ' ' && c != '\t' && c != '\n' && c != '\r') verdict = Fault::bad_xml_char;
        } else {
            const auto c = decode(at, end);
            if (c == 0) return Fault::bad_utf8;
            if (c == 0xfffe || c == 0xffff) verdict = Fault::bad_xml_char;
        }
    }
    return verdict;
}

bool is_qname(std::string_view text, std::size_t& prefix) noexcept {
    const auto* const begin = reinterpret_cast<const unsigned char*>(text.data());
    const auto* const end = begin + text.size();
    prefix = 0;
    const auto* first = behind_ncname(begin, end);
    if (first == nullptr || first == end) return first != nullptr;
    prefix = static_cast<std::size_t>(first + 1 - begin);
    return behind_ncname(first + 1, end) == end;
}

}   // namespace tambo::funxmpp
