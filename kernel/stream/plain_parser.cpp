#include "stream/plain_parser.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "stream/byte_scan.hpp"
#include "stream/tape_content.hpp"

namespace tambo {

namespace {

using Kind = Tape::Kind;
using Span = Tape::Span;

constexpr std::size_t max_bytes = std::size_t{1} << 30;
constexpr std::size_t bytes_per_node = 24;   // in ordinary stanzas; a new tape need not grow step by step
constexpr std::uint32_t max_depth = PlainParser::Bounds{}.depth, max_attributes = PlainParser::Bounds{}.attributes;

/// Reads one element, and is gone. All in one file, so that the compiler can put its parts together.
class Parser : PlainScanner {
public:
    Parser(std::string_view bytes, PlainParser::Bounds bounds, Tape& tape) noexcept
        : PlainScanner(bytes, tape.text),
          tape_(tape),
          max_depth_(std::min(bounds.depth, max_depth)),
          max_attributes_(std::min(bounds.attributes, max_attributes)) {}

    std::size_t run();

private:
    bool start_tag();
    bool start_tag_ends(std::uint32_t element, bool is_empty);
    bool attributes(std::uint32_t element);
    bool attribute(std::uint32_t element);
    bool attribute_name(Tape::Node& attribute);
    bool attribute_value(Tape::Node& attribute);
    Span space_of_xml();
    bool keep_attribute(std::uint32_t element, Tape::Node& attribute);
    bool keep_declaration(std::uint32_t element, Tape::Node& declaration);
    bool end_tag();
    bool text();
    void close(std::uint32_t element) noexcept;
    void finish();
    Tape::Node& add(Kind kind);
    bool declares(std::uint32_t element) const noexcept;

    Tape& tape_;
    const std::uint32_t max_depth_, max_attributes_;
    std::uint32_t depth_ = 0;
    std::uint32_t inner_begin_ = 0, inner_end_ = 0;
    Span space_of_xml_{};                           // once it was needed
    std::array<std::uint32_t, max_depth> open_{};   // the elements around what is read, by node
};

std::size_t Parser::run() {
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

bool Parser::start_tag() {
    const auto element = static_cast<std::uint32_t>(tape_.nodes.size());
    auto& node = add(Kind::element);
    node.begin = offset() - 1 - inner_begin_;
    const auto name = this->name();
    if (name.empty()) return false;
    node.name = from_input(name);
    if (is_next('>')) return start_tag_ends(element, false);
    if (!attributes(element)) return false;
    const bool is_empty = *at_ == '/';
    if (is_empty) ++at_;
    return is_next('>') && start_tag_ends(element, is_empty);
}

// at_ is on '>'.
bool Parser::start_tag_ends(std::uint32_t element, bool is_empty) {
    ++at_;
    if (depth_ >= max_depth_) return false;
    auto& node = tape_.nodes[element];
    note_content(tape_, element);
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

bool Parser::end_tag() {
    const auto element = open_[depth_ - 1];
    const auto name = tape_.nodes[element].name;
    if (depth_ == 1) inner_end_ = offset() - 1;
    ++at_;
    if (static_cast<std::size_t>(end_ - at_) <= name.length || !scan::same({at_, name.length}, input(name)))
        return false;
    at_ += name.length;
    if (*at_ != '>') skip_space();
    if (!is_next('>')) return false;
    ++at_;
    close(element);
    return true;
}

void Parser::close(std::uint32_t element) noexcept {
    auto& node = tape_.nodes[element];
    node.next = static_cast<std::uint32_t>(tape_.nodes.size());
    node.end = offset() - inner_begin_;
    --depth_;
}

// --- attributes

// Up to '>' or '/'.
bool Parser::attributes(std::uint32_t element) {
    while (true) {
        const auto* before = at_;
        skip_space();
        if (at_ == end_) return false;
        if (*at_ == '>' || *at_ == '/') return true;
        if (at_ == before || tape_.nodes.size() - element > max_attributes_ || !attribute(element)) return false;
    }
}

bool Parser::attribute(std::uint32_t element) {
    Tape::Node node;
    node.kind = Kind::attribute;
    if (!attribute_name(node) || !attribute_value(node)) return false;
    return node.kind == Kind::declaration ? keep_declaration(element, node) : keep_attribute(element, node);
}

bool Parser::attribute_name(Tape::Node& attribute) {
    const auto* begin = at_;
    const auto prefix = name();
    if (prefix.empty()) return false;
    if (is_next(':')) {
        ++at_;
        if (prefix != "xml" || name() != "lang") return false;
        attribute.prefix = sizeof "xml:" - 1;
        attribute.space = space_of_xml();
    } else if (prefix == "xmlns") {
        attribute.kind = Kind::declaration;
        return true;
    }
    attribute.name = from_input({begin, at_});
    return true;
}

Span Parser::space_of_xml() {
    if (space_of_xml_.length == 0) {
        const auto before = decoded_.size();
        decoded_ += ns::xml;
        space_of_xml_ = from_decoded(before);
    }
    return space_of_xml_;
}

// Behind its quotes.
bool Parser::attribute_value(Tape::Node& attribute) {
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

bool Parser::keep_attribute(std::uint32_t element, Tape::Node& attribute) {
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
bool Parser::keep_declaration(std::uint32_t element, Tape::Node& declaration) {
    if (declares(element) || (declaration.value.offset & decoded_mark) != 0) return false;
    if (const auto uri = input(declaration.value); uri == ns::xml || uri == ns::xmlns) return false;
    declaration.next = element + 2;
    auto& nodes = tape_.nodes;
    nodes.insert(nodes.begin() + element + 1, declaration);
    for (auto i = element + 2; i < nodes.size(); ++i) ++nodes[i].next;
    return true;
}

bool Parser::declares(std::uint32_t element) const noexcept {
    return element + 1 < tape_.nodes.size() && tape_.nodes[element + 1].kind == Kind::declaration;
}

// --- what is written between and within tags

// Up to '<'.
bool Parser::text() {
    Span value;
    if (!characters('<', ']', value)) return false;
    add(Kind::text).value = value;
    return true;
}

// --- the tape

Tape::Node& Parser::add(Kind kind) {
    auto& node = tape_.nodes.emplace_back();
    node.kind = kind;
    node.next = static_cast<std::uint32_t>(tape_.nodes.size());
    return node;
}

void Parser::finish() {
    const std::string_view element{begin_, at_};
    tape_.inner.assign(element.substr(inner_begin_, inner_end_ - inner_begin_));
    auto& text = tape_.text;
    text.reserve(input_begins + element.size() + decoded_.size());
    if (decoded_.empty()) {
        text.append(ns::client).append(element);
        return;
    }
    text.insert(0, element).insert(0, ns::client);
    const auto decoded_begins = input_begins + offset();
    for (auto& node : tape_.nodes)
        for (auto* span : {&node.space, &node.value})
            if ((span->offset & decoded_mark) != 0) span->offset = decoded_begins + (span->offset & ~decoded_mark);
}

}   // namespace

std::size_t PlainParser::read(std::string_view bytes, Bounds bounds, Tape& tape) {
    if (bytes.size() > max_bytes) return 0;
    tape.nodes.clear();
    tape.text.clear();
    if (tape.nodes.capacity() == 0) tape.nodes.reserve(std::min(bytes.size() / bytes_per_node + 2, std::size_t{64}));
    return Parser{bytes, bounds, tape}.run();
}

}   // namespace tambo
