// What only the page dialect has: slots, full JIDs, packed values (man/funxmpp.md).
#include <array>

#include "decoder.hpp"
#include "wire.hpp"

namespace tambo::funxmpp {

bool Decoder::page_form(std::uint8_t kind, Part part, std::uint32_t where) {
    switch (kind) {
        case wire::page::full_jid:
        case wire::page::resource:
            if (!may_be_jid(part)) return refuse(Fault::nested_jid, where);
            return kind == wire::page::full_jid ? jid(where) && resource(where) : half(where) && resource(where);
        case wire::page::uuid:
            return uuid();
        case wire::page::lower_hex:
            return packed(where, wire::lower_alphabet);
        case wire::page::base64:
            return base64(1);
        case wire::page::long_base64:
            return base64(3);
        default:
            return refuse(Fault::unknown_token, where);
    }
}

bool Decoder::slot(std::uint32_t where) {
    uses_slots_ = true;
    std::uint32_t number_of_slot = 0;
    if (!number(number_of_slot, 1)) return false;
    if (slots_ == nullptr || number_of_slot >= Slots::count || slots_->at(number_of_slot).empty())
        return refuse(Fault::unknown_token, where);
    append(slots_->at(number_of_slot));
    return true;
}

// `ef 01 fa romeo ef 00 im.example.com` defines a domain on the way; deeper than that it can't go.
bool Decoder::define(Part part, std::uint32_t where) {
    uses_slots_ = true;
    std::uint32_t slot = 0;
    if (!number(slot, 1)) return false;
    const bool is_inside = part == Part::defined || part == Part::defined_half;
    if (slots_ == nullptr || slot >= Slots::count || is_inside) return refuse(Fault::bad_slot, where);
    if (left() > 0 && *at_ == wire::null) return refuse(Fault::bad_slot, where);
    Text said;
    if (!string(said, part == Part::whole ? Part::defined : Part::defined_half)) return false;
    const auto text = at(said.span);
    if (text.empty() || text.size() > Slots::max_bytes) return refuse(Fault::bad_slot, where);
    slots_->define(slot, text);
    return true;
}

bool Decoder::uuid() {
    std::string_view bytes;
    if (!take(bytes, wire::uuid_bytes)) return false;
    std::array<char, wire::uuid_characters> text;
    char* end = text.data();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto both = static_cast<unsigned char>(bytes[i]);
        if (wire::is_behind_hyphen(i)) *end++ = '-';
        *end++ = wire::lower_alphabet[both >> 4U];
        *end++ = wire::lower_alphabet[both & 0xfU];
    }
    append(std::string_view{text.data(), text.size()});
    return true;
}

bool Decoder::base64(std::uint32_t length_bytes) {
    const auto where = here();
    std::uint32_t length = 0;
    std::string_view bytes;
    if (!number(length, length_bytes) || !take(bytes, length)) return false;
    if ((bytes.size() + 2) / 3 * 4 + written() > limits_.text) return refuse(Fault::text_too_large, where);
    const auto at = [&](std::size_t i) -> std::uint32_t {
        return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
    };
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto three = at(i) << 16U | at(i + 1) << 8U | at(i + 2);
        const auto left = bytes.size() - i;
        const std::array<char, 4> four{wire::base64_alphabet[three >> 18U], wire::base64_alphabet[three >> 12U & 63U],
                                       left > 1 ? wire::base64_alphabet[three >> 6U & 63U] : '=',
                                       left > 2 ? wire::base64_alphabet[three & 63U] : '='};
        append(std::string_view{four.data(), four.size()});
    }
    return true;
}

}   // namespace tambo::funxmpp
