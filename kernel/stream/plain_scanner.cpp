#include "stream/plain_scanner.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "stream/byte_scan.hpp"

namespace tambo {

namespace {

using Span = Tape::Span;

constexpr bool continues(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// XML 1.0 §2.2, and as far as expat has it: only U+FFFE and U+FFFF are missing of all that are no characters.
constexpr bool is_character(std::uint32_t code) noexcept {
    if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
    return code < 0xD800 || (code > 0xDFFF && code != 0xFFFE && code != 0xFFFF && code <= 0x10FFFF);
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
    const auto put_rest = [&](unsigned shift) { put(0x80U | (code >> shift & 0x3FU)); };
    if (code < 0x80) return put(code);
    if (code < 0x800) return put(0xC0U | code >> 6), put_rest(0);
    if (code < 0x10000) return put(0xE0U | code >> 12), put_rest(6), put_rest(0);
    put(0xF0U | code >> 18), put_rest(12), put_rest(6), put_rest(0);
}

}   // namespace

bool PlainScanner::characters(char stop, char unwanted, Span& value) {
    const auto* kept = at_;
    const auto decoded_before = decoded_.size();
    bool is_decoded = false;
    const auto decode = [&] {
        decoded_.append(kept, at_);
        is_decoded = true;
    };
    while (true) {
        at_ = scan::skip_plain(at_, end_, stop, '&', unwanted);
        if (at_ == end_) return false;
        const char c = *at_;
        if (c == stop) break;
        if (c == '&') {
            decode();
            if (!reference()) return false;
            kept = at_;
        } else if (octet(c) >= 0x80) {
            if (!multibyte()) return false;
        } else if (c == ']') {
            if (end_ - at_ > 2 && at_[1] == ']' && at_[2] == '>') return false;
            ++at_;
        } else if ((c == '\n' || c == '\t') && unwanted == '<') {   // XML 1.0 §3.3.3
            decode();
            decoded_ += ' ';
            kept = ++at_;
        } else if (c == '\n' || c == '\t') {
            ++at_;
        } else {
            return false;
        }
    }
    if (is_decoded) {
        decoded_.append(kept, at_);
        value = from_decoded(decoded_before);
    } else {
        value = from_input({kept, at_});
    }
    return true;
}

// Behind its semicolon.
bool PlainScanner::reference() {
    constexpr std::size_t longest = sizeof "&#x10FFFF;";
    const std::string_view rest{at_ + 1, std::min(longest, static_cast<std::size_t>(end_ - at_ - 1))};
    const auto length = rest.find(';');
    if (length == std::string_view::npos) return false;
    const auto name = rest.substr(0, length);
    at_ += length + 2;
    if (name.starts_with('#')) return numbered_reference(name.substr(1));
    if (name == "amp") return decoded_ += '&', true;
    if (name == "lt") return decoded_ += '<', true;
    if (name == "gt") return decoded_ += '>', true;
    if (name == "quot") return decoded_ += '"', true;
    if (name == "apos") return decoded_ += '\'', true;
    return false;
}

bool PlainScanner::numbered_reference(std::string_view number) {
    const bool is_hex = number.starts_with('x');
    if (is_hex) number.remove_prefix(1);
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), code, is_hex ? 16 : 10);
    if (error != std::errc{} || end != number.data() + number.size() || !is_character(code)) return false;
    append_utf8(decoded_, code);
    return true;
}

// RFC 3629 §4, without U+FFFE and U+FFFF.
bool PlainScanner::multibyte() noexcept {
    const auto left = end_ - at_;
    const auto first = octet(*at_);
    if (first < 0xC2 || first > 0xF4) return false;
    const int length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (left < length) return false;
    auto code = first & (0xFFU >> (length + 1));
    for (int i = 1; i < length; ++i) {
        if (!continues(at_[i])) return false;
        code = code << 6 | (octet(at_[i]) & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    if (code < least[static_cast<std::size_t>(length)] || !is_character(code)) return false;
    at_ += length;
    return true;
}

}   // namespace tambo
