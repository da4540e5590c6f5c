// Eight bytes at a time: runs of text in which nothing has to be looked at closely.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tambo::scan {

inline constexpr std::uint64_t ones = 0x0101010101010101;
inline constexpr std::uint64_t tops = 0x8080808080808080;

inline std::uint64_t load(const char* p) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, p, sizeof word);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    return word;
}

constexpr std::uint64_t spread(char c) noexcept { return ones * static_cast<unsigned char>(c); }

/// Not zero if a byte of `word` is a control character, beyond ASCII, or one of `marks`. The lowest bit that is set
/// belongs to the first such byte; what is above it means nothing, for a subtraction borrows from the next byte.
template <class... Marks>
constexpr std::uint64_t remarkable(std::uint64_t word, Marks... marks) noexcept {
    return ((word | (word - spread(' '))) | ... | ((word ^ marks) - ones)) & tops;
}

/// The same for control characters and `marks` alone.
template <class... Marks>
constexpr std::uint64_t marked(std::uint64_t word, Marks... marks) noexcept {
    return ((word - spread(' ')) | ... | ((word ^ marks) - ones)) & ~word & tops;
}

inline std::size_t first_of(std::uint64_t remarkable_bits) noexcept {
    return static_cast<std::size_t>(std::countr_zero(remarkable_bits)) / 8;
}

inline bool is_remarkable(char c) noexcept { return static_cast<signed char>(c) < ' '; }

/// Where in [p, end) the first control character, byte beyond ASCII or one of `marks` stands; `end` if nowhere.
template <class... Marks>
const char* skip_plain(const char* p, const char* end, Marks... marks) noexcept {
    for (; static_cast<std::size_t>(end - p) >= sizeof(std::uint64_t); p += sizeof(std::uint64_t))
        if (const auto found = remarkable(load(p), spread(marks)...)) return p + first_of(found);
    while (p != end && !is_remarkable(*p) && !((*p == marks) || ...)) ++p;
    return p;
}

/// a == b, without a call. Names that differ mostly do so at their ends, so these are looked at first.
inline bool same(std::string_view a, std::string_view b) noexcept {
    constexpr auto word = sizeof(std::uint64_t);
    if (a.size() != b.size()) return false;
    const auto* const p = a.data();
    const auto* const q = b.data();
    const auto length = a.size();
    if (length < word) {
        for (std::size_t i = 0; i < length; ++i)
            if (p[i] != q[i]) return false;
        return true;
    }
    if (load(p + length - word) != load(q + length - word)) return false;
    for (std::size_t i = 0; i + word < length; i += word)
        if (load(p + i) != load(q + i)) return false;
    return true;
}

}   // namespace tambo::scan
