// What only the page dialect has: slots, full JIDs, packed values (man/funxmpp.md).
#include <array>

#include "encoder.hpp"
#include "wire.hpp"

namespace tambo::funxmpp {

bool Encoder::slot(std::string_view said) {
    if (slots_ == nullptr) return false;
    const auto found = slots_->find(said);
    if (found == Slots::none) return false;
    byte(wire::page::slot);
    byte(found);
    return true;
}

/// Announces that what is written next is what a slot holds from now on.
void Encoder::define(std::string_view said) {
    const auto chosen = slots_->oldest();
    slots_->define(chosen, said);   // at once, lest what is within be given the same slot
    byte(wire::page::define);
    byte(chosen);
}

bool Encoder::page_jid(std::string_view said, Place place) {
    if (slot(said)) return true;
    const auto slash = said.find('/');
    const auto bare = said.substr(0, slash);
    const auto at = bare.find('@');
    const bool has_resource = slash != said.npos && slash + 1 < said.size();
    const bool has_user = at != bare.npos && at > 0 && at + 1 < bare.size();
    if (bare.empty() || (slash != said.npos && !has_resource)) return false;
    const bool is_address = place == Place::address && slots_ != nullptr && said.size() <= Slots::max_bytes;
    if (!has_user && !has_resource && is_address) {
        part(said, place);
        return true;
    }
    if (!has_user) return false;
    if (is_address) define(said);
    if (has_resource && slots_ != nullptr && slots_->find(bare) != Slots::none) {
        byte(wire::page::resource);
        slot(bare);
    } else {
        byte(has_resource ? wire::page::full_jid : wire::jid);
        part(bare.substr(0, at), Place::value);
        part(bare.substr(at + 1), is_address ? place : Place::value);
    }
    if (has_resource) part(said.substr(slash + 1), Place::value);
    return true;
}

namespace {

/// Canonical base64: padded, and no bit set that says nothing. `bytes` becomes what it stands for.
bool is_base64(std::string_view said, std::size_t& bytes) noexcept {
    if (said.empty() || said.size() % 4 != 0) return false;
    const std::size_t padding = said.ends_with("==") ? 2 : said.ends_with('=') ? 1 : 0;
    const auto digits = said.substr(0, said.size() - padding);
    for (const char c : digits)
        if (wire::digit(wire::base64_digits, c) == wire::no_digit) return false;
    const unsigned unused = padding == 2 ? 0xf : padding == 1 ? 0x3 : 0;
    bytes = said.size() / 4 * 3 - padding;
    return (wire::digit(wire::base64_digits, digits.back()) & unused) == 0;
}

}   // namespace

bool Encoder::uuid(std::string_view said) {
    if (said.size() != wire::uuid_characters) return false;
    std::array<char, wire::uuid_bytes> bytes;
    const char* at = said.data();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (wire::is_behind_hyphen(i) && *at++ != '-') return false;
        const auto high = wire::digit(wire::lower_digits, *at++), low = wire::digit(wire::lower_digits, *at++);
        if (high == wire::no_digit || low == wire::no_digit) return false;
        bytes[i] = static_cast<char>(high << 4U | low);
    }
    byte(wire::page::uuid);
    out_->put({bytes.data(), bytes.size()});
    return true;
}

bool Encoder::base64(std::string_view said) {
    constexpr std::size_t most8 = 0xff, most24 = 0xff'ffff;
    std::size_t left = 0;
    if (!is_base64(said, left) || left > most24) return false;
    byte(left <= most8 ? wire::page::base64 : wire::page::long_base64);
    number(left, left <= most8 ? 1 : 3);
    for (std::size_t i = 0; i < said.size(); i += 4) {
        std::size_t four = 0;
        for (const char c : said.substr(i, 4))
            four = four << 6U | (c == '=' ? 0U : wire::digit(wire::base64_digits, c));
        for (unsigned shift = 16; left > 0; shift -= 8) {
            byte(four >> shift);
            --left;
            if (shift == 0) break;
        }
    }
    return true;
}

}   // namespace tambo::funxmpp
