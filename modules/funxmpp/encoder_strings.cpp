// Strings, in the shortest form that a dialect has.
#include "encoder.hpp"
#include "wire.hpp"

namespace tambo::funxmpp {

void Encoder::list(std::size_t size) {
    constexpr std::size_t most8 = 0xff, most16 = 0xffff;
    fits_ = fits_ && size <= most16;
    byte(size <= most8 ? wire::list8 : wire::list16);
    number(size, size <= most8 ? 1 : 2);
}

void Encoder::name(std::string_view said) {
    if (!token(said)) literal(said);
}

void Encoder::put(const Name& said) {
    if (said.token == Tables::none) return name(said.text);
    put_token(said.token);
}

void Encoder::value(std::string_view said, Place place) {
    if (place == Place::address && slot(said)) return;   // no slot of ours holds a token, so this may come first
    if (token(said) || (dialect_ == Dialect::md && device_jid(said))) return;
    if (dialect_ == Dialect::page ? page_jid(said, place) : jid(said, place)) return;
    if (!packed(said)) literal(said);
}

void Encoder::part(std::string_view said, Place place) {
    if (token(said) || slot(said)) return;
    if (place == Place::address && slots_ != nullptr && said.size() <= Slots::max_bytes) define(said);
    if (!packed(said)) literal(said);
}

void Encoder::literal(std::string_view bytes) {
    literal_header(bytes.size());
    out_->put(bytes);
}

void Encoder::literal_header(std::size_t length) {
    constexpr std::size_t most8 = 0xff, most20 = 0xf'ffff, most24 = 0xff'ffff, most31 = 0x7fff'ffff;
    const bool is_md = dialect_ == Dialect::md;
    if (length <= most8) {
        byte(wire::literal8);
        number(length, 1);
    } else if (length <= (is_md ? most20 : most24)) {
        byte(wire::literal24);
        number(length, 3);
    } else {
        fits_ = fits_ && is_md && length <= most31;
        byte(wire::literal32);
        number(length, 4);
    }
}

void Encoder::number(std::size_t value, unsigned bytes) {
    while (bytes-- > 0) byte(value >> (8 * bytes));
}

bool Encoder::token(std::string_view said) {
    const auto index = tables_.find(said);
    if (index == Tables::none) return false;
    put_token(index);
    return true;
}

void Encoder::put_token(std::uint32_t index) {
    if (index >= 256) byte(wire::first_page + index / 256 - 1);
    byte(index % 256);
}

/// Exactly one "@" with something on both sides; a resource stays with the server.
bool Encoder::jid(std::string_view said, Place place) {
    const auto at = said.find('@');
    if (at == 0 || at == std::string_view::npos || at + 1 == said.size() || said.find('@', at + 1) != said.npos)
        return false;
    byte(wire::jid);
    part(said.substr(0, at), Place::value);
    part(said.substr(at + 1), place);
    return true;
}

bool Encoder::packed(std::string_view said) {
    if (!packs_ || said.empty()) return false;
    if (dialect_ == Dialect::page && uuid(said)) return true;
    if (nibbles(said, wire::nibbles, wire::nibble_digits)) return true;
    if (dialect_ == Dialect::classic) return false;
    if (nibbles(said, wire::hex, wire::upper_digits)) return true;
    if (dialect_ != Dialect::page) return false;
    return nibbles(said, wire::page::lower_hex, wire::lower_digits) || base64(said);
}

bool Encoder::nibbles(std::string_view said, std::uint8_t kind, const wire::Digits& digits) {
    constexpr std::uint8_t padding = 0xf;
    if (said.size() > wire::most_packed) return false;
    for (const char c : said)
        if (wire::digit(digits, c) == wire::no_digit) return false;
    const bool is_odd = said.size() % 2 != 0;
    byte(kind);
    byte((said.size() + 1) / 2 | (is_odd ? wire::odd_count : 0U));
    for (std::size_t i = 0; i < said.size(); i += 2)
        byte(wire::digit(digits, said[i]) << 4U | (i + 1 < said.size() ? wire::digit(digits, said[i + 1]) : padding));
    return true;
}

}   // namespace tambo::funxmpp
