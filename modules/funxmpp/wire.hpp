// The bytes that stand for something: FUNXMPP's, and those that the page dialect gives a meaning (man/funxmpp.md).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tambo::funxmpp::wire {

inline constexpr std::uint8_t null = 0x00, stream_start = 0x01, stream_end = 0x02;
inline constexpr std::uint8_t first_token = 0x03, last_token = 0xeb, first_page = 0xec, last_page = 0xef;
inline constexpr std::uint8_t list8 = 0xf8, list16 = 0xf9;
inline constexpr std::uint8_t jid = 0xfa, hex = 0xfb, nibbles = 0xff;
inline constexpr std::uint8_t literal8 = 0xfc, literal24 = 0xfd, literal32 = 0xfe;

constexpr bool is_token(std::uint8_t byte) noexcept { return byte >= first_token && byte <= last_token; }

namespace md {
inline constexpr std::uint8_t interop_jid = 0xf5, fb_jid = 0xf6, device_jid = 0xf7;

struct Domain {
    std::uint8_t code;
    std::string_view server;
};
inline constexpr std::array<Domain, 4> domains{
    {{0, "s.whatsapp.net"}, {1, "lid"}, {128, "hosted"}, {129, "hosted.lid"}}};
}   // namespace md

namespace page {
inline constexpr std::uint8_t slot = 0xee, define = 0xef;
inline constexpr std::uint8_t full_jid = 0xf0, resource = 0xf1;
inline constexpr std::uint8_t uuid = 0xf2, lower_hex = 0xf3, base64 = 0xf4, long_base64 = 0xf5;
}   // namespace page

/// What a nibble stands for; NUL where it stands for nothing.
inline constexpr std::string_view nibble_alphabet{"0123456789-.\0\0\0\0", 16};
inline constexpr std::string_view upper_alphabet = "0123456789ABCDEF", lower_alphabet = "0123456789abcdef";
inline constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of each character in an alphabet; `no_digit` for the others.
using Digits = std::array<std::uint8_t, 256>;
inline constexpr std::uint8_t no_digit = 0xff;

constexpr Digits digits_of(std::string_view alphabet) noexcept {
    Digits table{};
    table.fill(no_digit);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        if (alphabet[i] != '\0') table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return table;
}
inline constexpr auto nibble_digits = digits_of(nibble_alphabet), upper_digits = digits_of(upper_alphabet),
                      lower_digits = digits_of(lower_alphabet), base64_digits = digits_of(base64_alphabet);

constexpr std::uint8_t digit(const Digits& digits, char c) noexcept { return digits[static_cast<unsigned char>(c)]; }

inline constexpr std::uint8_t odd_count = 0x80;   ///< in the count byte of packed strings
inline constexpr std::size_t most_packed = 127;   ///< characters that writers pack
inline constexpr std::size_t uuid_bytes = 16, uuid_characters = 36;

/// Does a hyphen stand before this byte of a UUID?
constexpr bool is_behind_hyphen(std::size_t byte) noexcept { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

}   // namespace tambo::funxmpp::wire
