// The forms a string can have.
#include <algorithm>
#include <array>

#include "decoder.hpp"
#include "wire.hpp"

namespace tambo::funxmpp {

// Text is written past the string's back, which would check and terminate at every piece; it is cut to size at the end.
void Decoder::open_text() {
    written_ = 0;
    take_room(tape_->text.capacity());
}

void Decoder::grow(std::size_t bytes) { take_room(2 * (written_ + bytes + token_padding)); }

void Decoder::take_room(std::size_t bytes) {
    auto& text = tape_->text;
    text.resize_and_overwrite(bytes, [](char*, std::size_t size) { return size; });
    text_ = text.data();
    room_ = bytes - std::min(bytes, token_padding);
}

bool Decoder::no_short_token(Text& text, Part part) {
    const auto start = written_;
    const auto where = here();
    const bool is_literal = left() > 0 && static_cast<std::uint8_t>(*at_) == wire::literal8;
    if (!is_literal || !short_literal(text)) return other_string(text, part);
    text.span = {start, written_ - start};
    return written_ <= limits_.text || refuse(Fault::text_too_large, where);
}

/// The usual literal: whole, and copied in one piece of fixed size if it fits into that.
bool Decoder::short_literal(Text& text) {
    constexpr std::uint32_t head = 2, piece = token_padding;
    if (left() < head + piece) return false;
    const auto length = static_cast<std::uint8_t>(at_[1]);
    if (length > piece) return false;
    make_room(piece);
    std::memcpy(text_ + written_, at_ + head, piece);
    written_ += length;
    at_ += head + length;
    text.is_literal = true;
    return true;
}

bool Decoder::other_string(Text& text, Part part) {
    const auto where = here();
    if (left() == 0) return refuse(Fault::truncated, where);
    const auto start = written();
    const auto kind = byte();
    const bool is_of_page = kind >= wire::first_page && kind <= wire::last_page;
    if (!(is_of_page ? page_token(text, kind, part, where) : form(kind, part, where))) return false;
    text.span = {start, written() - start};
    text.is_literal = kind == wire::literal8 || kind == wire::literal24 || kind == wire::literal32;
    return written() <= limits_.text || refuse(Fault::text_too_large, where);
}

bool Decoder::page_token(Text& text, std::uint8_t page, Part part, std::uint32_t where) {
    if (dialect_ == Dialect::page && page == wire::page::slot) return slot(where);
    if (dialect_ == Dialect::page && page == wire::page::define) return define(part, where);
    const std::uint32_t first = 256U * (1U + page - wire::first_page);
    if (first >= tables_.token_count) return refuse(Fault::unknown_token, where);
    std::uint32_t index = 0;
    return number(index, 1) && token(text, first + index, where);
}

bool Decoder::form(std::uint8_t kind, Part part, std::uint32_t where) {
    const bool is_classic = dialect_ == Dialect::classic;
    switch (kind) {
        case wire::stream_start:
        case wire::stream_end:
            return refuse(Fault::stream_control, where);
        case wire::list8:
        case wire::list16:
            return refuse(Fault::list_as_string, where);
        case wire::jid:
            return may_be_jid(part) ? jid(where) : refuse(Fault::nested_jid, where);
        case wire::literal8:
            return literal(1);
        case wire::literal24:
            return literal(3);
        case wire::literal32:
            return dialect_ == Dialect::md ? literal(4) : refuse(Fault::unknown_token, where);
        case wire::nibbles:
            return packed(where, wire::nibble_alphabet);
        case wire::hex:
            return is_classic ? refuse(Fault::unknown_token, where) : packed(where, wire::upper_alphabet);
        default:
            break;
    }
    if (is_classic) return refuse(Fault::unknown_token, where);
    return dialect_ == Dialect::md ? device_form(kind, part, where) : page_form(kind, part, where);
}

bool Decoder::literal(std::uint32_t length_bytes) {
    const auto where = here();
    std::uint32_t length = 0;
    if (!number(length, length_bytes)) return false;
    if (dialect_ == Dialect::md && length_bytes == 3) length &= 0xf'ffffU;
    std::string_view bytes;
    if (!take(bytes, length)) return false;
    if (bytes.size() > limits_.text - std::min<std::size_t>(written(), limits_.text))
        return refuse(Fault::text_too_large, where);
    append(bytes);
    return true;
}

bool Decoder::packed(std::uint32_t where, std::string_view alphabet) {
    std::uint32_t count = 0;
    if (!number(count, 1)) return false;
    const bool is_odd = (count & wire::odd_count) != 0;
    count &= wire::odd_count - 1U;
    if (is_odd && count == 0) return refuse(Fault::bad_packed, where);
    std::string_view bytes;
    if (!take(bytes, count)) return false;
    std::array<char, 2 * wire::odd_count> text;
    char* end = text.data();
    bool is_missing = false;
    for (const char c : bytes) {
        const auto both = static_cast<unsigned char>(c);
        *end++ = alphabet[both >> 4U];
        *end++ = alphabet[both & 0xfU];
    }
    if (is_odd) {
        constexpr unsigned padding = 0xf;
        if ((static_cast<unsigned char>(bytes.back()) & 0xfU) != padding) return refuse(Fault::bad_packed, where);
        --end;
    }
    for (const char* c = text.data(); c < end; ++c) is_missing = is_missing || *c == '\0';
    if (is_missing) return refuse(Fault::bad_packed, where);
    append(std::string_view{text.data(), static_cast<std::size_t>(end - text.data())});
    return true;
}

// --- JIDs

/// Part of a JID: any string but a JID.
bool Decoder::half(std::uint32_t where) {
    if (left() > 0 && *at_ == wire::null) return refuse(Fault::bad_jid, where);
    Text said;
    const auto before = written();
    if (!string(said, Part::half)) return false;
    return written() > before || refuse(Fault::bad_jid, where);
}

bool Decoder::jid(std::uint32_t where) {
    if (left() > 0 && *at_ == wire::null) {
        ++at_;
        return half(where);
    }
    Text user;
    if (!string(user, Part::half)) return false;
    append(std::string_view{"@"});
    return half(where);
}

bool Decoder::resource(std::uint32_t where) {
    append(std::string_view{"/"});
    return half(where);
}

}   // namespace tambo::funxmpp
