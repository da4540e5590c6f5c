#include "stream/plain_parser.hpp"

#include <charconv>
#include <system_error>

#include "stream/byte_scan.hpp"

namespace tambo {

namespace {

using Kind = Tape::Kind;
using Span = Tape::Span;

constexpr std::size_t max_bytes = std::size_t{1} << 30;

// Tape::text is the namespace of nearly all stanzas, then the input, then what was decoded. Where that begins is known
// at the end only, so until then its offsets are marked.
constexpr auto input_begins = static_cast<std::uint32_t>(ns::client.size());
constexpr std::uint32_t decoded_mark = std::uint32_t{1} << 31;

enum NameClass : std::uint8_t { no_name = 0, part = 1, beginning = 3 };

constexpr auto name_classes = [] {
    std::array<std::uint8_t, 256> table{};
    for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = beginning;
    for (unsigned c = '0'; c <= '9'; ++c) table[c] = part;
    table['_'] = beginning;
    table['-'] = table['.'] = part;
    return table;
}();

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

constexpr unsigned octet(char c) noexcept { return static_cast<unsigned char>(c); }

constexpr bool continues(char c) noexcept { return (octet(c) & 0xC0U) == 0x80U; }

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

std::size_t PlainParser::read(std::string_view bytes, const Bounds& bounds, Tape& tape) {
    if (bytes.size() > max_bytes) return 0;
    tape.nodes.clear();
    return PlainParser{bytes, bounds, tape}.run();
}

std::size_t PlainParser::run() {
    if (!is_next('<')) return 0;
    ++at_;
    if (!start_tag()) return 0;
    while (depth_ > 0) {
        if (at_ == end_ || (*at_ != '<' && !text())) return 0;
        ++at_;
        if (!(is_next('/') ? end_tag() : start_tag())) return 0;
    }
    finish();
    return offset();
}

// --- tags; at_ is behind '<'

bool PlainParser::start_tag() {
    const auto element = static_cast<std::uint32_t>(tape_.nodes.size());
    auto& node = add(Kind::element);
    node.begin = offset() - 1 - inner_begin_;
    const auto name = this->name();
    if (name.empty()) return false;
    node.name = from_input(name.data(), name.data() + name.size());
    if (is_next('>')) return start_tag_ends(element, false);
    if (!attributes(element)) return false;
    const bool is_empty = *at_ == '/';
    if (is_empty) ++at_;
    return is_next('>') && start_tag_ends(element, is_empty);
}

// at_ is on '>'.
bool PlainParser::start_tag_ends(std::uint32_t element, bool is_empty) {
    ++at_;
    if (depth_ >= max_depth_) return false;
    auto& node = tape_.nodes[element];
    if (declares(element))
        node.space = tape_.nodes[element + 1].value;
    else
        node.space = depth_ == 0 ? Span{0, input_begins} : tape_.nodes[open_[depth_ - 1]].space;
    if (depth_ == 0) {
        inner_begin_ = inner_end_ = offset();
        node.begin -= inner_begin_;
    }
    open_[depth_++] = element;
    if (is_empty) close(element);
    return true;
}

bool PlainParser::end_tag() {
    const auto element = open_[depth_ - 1];
    const auto name = tape_.nodes[element].name;
    if (depth_ == 1) inner_end_ = offset() - 1;
    ++at_;
    if (static_cast<std::size_t>(end_ - at_) <= name.length || !scan::same(at_, input(name).data(), name.length))
        return false;
    at_ += name.length;
    if (*at_ != '>') skip_space();
    if (!is_next('>')) return false;
    ++at_;
    close(element);
    return true;
}

void PlainParser::close(std::uint32_t element) noexcept {
    auto& node = tape_.nodes[element];
    node.next = static_cast<std::uint32_t>(tape_.nodes.size());
    node.end = offset() - inner_begin_;
    --depth_;
}

// --- attributes

// Up to '>' or '/'.
bool PlainParser::attributes(std::uint32_t element) {
    while (true) {
        const auto* before = at_;
        skip_space();
        if (at_ == end_) return false;
        if (*at_ == '>' || *at_ == '/') return true;
        if (at_ == before || tape_.nodes.size() - element > max_attributes_ || !attribute(element)) return false;
    }
}

bool PlainParser::attribute(std::uint32_t element) {
    Tape::Node node;
    node.kind = Kind::attribute;
    if (!attribute_name(node) || !attribute_value(node)) return false;
    return node.kind == Kind::declaration ? keep_declaration(element, node) : keep_attribute(element, node);
}

bool PlainParser::attribute_name(Tape::Node& attribute) {
    const auto* begin = at_;
    const auto prefix = name();
    if (prefix.empty()) return false;
    if (is_next(':')) {
        ++at_;
        if (prefix != "xml" || name() != "lang") return false;
        attribute.prefix = sizeof "xml:" - 1;
        attribute.space = {decoded_mark | static_cast<std::uint32_t>(decoded_.size()),
                           static_cast<std::uint32_t>(ns::xml.size())};
        decoded_ += ns::xml;
    } else if (prefix == "xmlns") {
        attribute.kind = Kind::declaration;
        return true;
    }
    attribute.name = from_input(begin, at_);
    return true;
}

// Behind its quotes.
bool PlainParser::attribute_value(Tape::Node& attribute) {
    skip_space();
    if (!is_next('=')) return false;
    ++at_;
    skip_space();
    if (!is_next('\'') && !is_next('"')) return false;
    const char quote = *at_++;
    if (!characters(quote, '<', attribute.value)) return false;
    ++at_;
    return true;
}

bool PlainParser::keep_attribute(std::uint32_t element, Tape::Node& attribute) {
    auto& nodes = tape_.nodes;
    const auto name = input(attribute.name);
    for (auto i = element + 1; i < nodes.size(); ++i) {
        if (scan::same(input(nodes[i].name), name)) return false;
    }
    attribute.next = static_cast<std::uint32_t>(nodes.size()) + 1;
    nodes.push_back(attribute);
    return true;
}

// Declarations come first on a tape, wherever they stood in the tag.
bool PlainParser::keep_declaration(std::uint32_t element, Tape::Node& declaration) {
    if (declares(element) || (declaration.value.offset & decoded_mark) != 0) return false;
    if (const auto uri = input(declaration.value); uri == ns::xml || uri == ns::xmlns) return false;
    declaration.next = element + 2;
    auto& nodes = tape_.nodes;
    nodes.insert(nodes.begin() + element + 1, declaration);
    for (auto i = element + 2; i < nodes.size(); ++i) ++nodes[i].next;
    return true;
}

bool PlainParser::declares(std::uint32_t element) const noexcept {
    return element + 1 < tape_.nodes.size() && tape_.nodes[element + 1].kind == Kind::declaration;
}

// --- what is written between and within tags

// Up to '<'.
bool PlainParser::text() {
    Span value;
    if (!characters('<', ']', value)) return false;
    add(Kind::text).value = value;
    return true;
}

// Up to `stop`. `unwanted` is what may not stand here as it is: any '<' in an attribute, "]]>" in text.
bool PlainParser::characters(char stop, char unwanted, Span& value) {
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
        value = {decoded_mark | static_cast<std::uint32_t>(decoded_before),
                 static_cast<std::uint32_t>(decoded_.size() - decoded_before)};
    } else {
        value = from_input(kept, at_);
    }
    return true;
}

// Behind its semicolon.
bool PlainParser::reference() {
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

bool PlainParser::numbered_reference(std::string_view number) {
    const bool is_hex = number.starts_with('x');
    if (is_hex) number.remove_prefix(1);
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), code, is_hex ? 16 : 10);
    if (error != std::errc{} || end != number.data() + number.size() || !is_character(code)) return false;
    append_utf8(decoded_, code);
    return true;
}

// RFC 3629 §4, without U+FFFE and U+FFFF.
bool PlainParser::multibyte() noexcept {
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

std::string_view PlainParser::name() noexcept {
    const auto* begin = at_;
    if (at_ == end_ || name_classes[octet(*at_)] != beginning) return {};
    while (++at_ != end_ && name_classes[octet(*at_)] != no_name) {
    }
    return {begin, at_};
}

void PlainParser::skip_space() noexcept {
    while (at_ != end_ && is_space(*at_)) ++at_;
}

// --- the tape

Tape::Node& PlainParser::add(Kind kind) {
    auto& node = tape_.nodes.emplace_back();
    node.kind = kind;
    node.next = static_cast<std::uint32_t>(tape_.nodes.size());
    return node;
}

Span PlainParser::from_input(const char* begin, const char* end) const noexcept {
    return {input_begins + static_cast<std::uint32_t>(begin - begin_), static_cast<std::uint32_t>(end - begin)};
}

std::string_view PlainParser::input(Span span) const noexcept {
    return {begin_ + (span.offset - input_begins), span.length};
}

void PlainParser::finish() {
    const std::string_view element{begin_, at_};
    auto& text = tape_.text;
    text.clear();
    text.reserve(input_begins + element.size() + decoded_.size());
    text.append(ns::client).append(element).append(decoded_);
    tape_.inner.assign(element.substr(inner_begin_, inner_end_ - inner_begin_));
    if (decoded_.empty()) return;
    const auto decoded_begins = input_begins + offset();
    for (auto& node : tape_.nodes)
        for (auto* span : {&node.space, &node.value})
            if ((span->offset & decoded_mark) != 0) span->offset = decoded_begins + (span->offset & ~decoded_mark);
}

}   // namespace tambo
