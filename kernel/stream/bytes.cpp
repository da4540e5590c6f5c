#include <array>
#include <cerrno>
#include <cstdint>
#include <sys/random.h>
#include <system_error>

#include <tambo/bytes.hpp>

namespace tambo {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t stray = 0xff;

constexpr auto sextets = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(stray);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return table;
}();

constexpr std::uint32_t octet(std::string_view s, std::size_t i) noexcept {
    return i < s.size() ? static_cast<unsigned char>(s[i]) : 0U;
}

}   // namespace

std::string base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto group = octet(bytes, i) << 16 | octet(bytes, i + 1) << 8 | octet(bytes, i + 2);
        out += alphabet[group >> 18];
        out += alphabet[group >> 12 & 63];
        out += i + 1 < bytes.size() ? alphabet[group >> 6 & 63] : '=';
        out += i + 2 < bytes.size() ? alphabet[group & 63] : '=';
    }
    return out;
}

std::optional<Bytes> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    text.remove_suffix(padding);
    Bytes out;
    out.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const auto sextet = sextets[static_cast<unsigned char>(c)];
        if (sextet == stray) return std::nullopt;
        bits = bits << 6 | sextet;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xff);
    }
    const auto leftover = bits & ((1U << held) - 1);
    if (leftover != 0) return std::nullopt;   // RFC 4648 §3.5: two texts must not mean the same bytes
    return out;
}

std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

Bytes random_bytes(std::size_t count) {
    Bytes out(count, '\0');
    for (std::size_t filled = 0; filled < count;) {
        const auto got = ::getrandom(out.data() + filled, count - filled, 0);
        if (got < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
        if (got > 0) filled += static_cast<std::size_t>(got);
    }
    return out;
}

std::string random_token(std::size_t characters) {
    constexpr std::string_view symbols = "0123456789abcdefghijklmnopqrstuvwxyz";
    constexpr std::size_t fair =
        256 / symbols.size() * symbols.size();   // above it, some symbols would come more often
    std::string out;
    out.reserve(characters);
    while (out.size() < characters) {
        for (const char c : random_bytes(characters - out.size() + 8)) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte < fair && out.size() < characters) out += symbols[byte % symbols.size()];
        }
    }
    return out;
}

}   // namespace tambo
