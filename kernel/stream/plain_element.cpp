#include "stream/plain_element.hpp"

#include <algorithm>
#include <cstdint>

#include "stream/escape.hpp"
#include "stream/pen.hpp"
#include "stream/plain_parser.hpp"
#include "stream/tape_spaces.hpp"

namespace tambo {

namespace {

using Kind = Tape::Kind;

/// Content that is not well-formed is there and not seen (Stanza::xml).
bool shows_its_content(const Tape& tape) noexcept {
    const auto is_of_tag = [](const Tape::Node& node) {
        return node.kind == Kind::attribute || node.kind == Kind::declaration;
    };
    return tape.inner.empty() ||
           std::find_if_not(tape.nodes.begin() + 1, tape.nodes.end(), is_of_tag) != tape.nodes.end();
}

bool has_its_own_namespace(const Tape& element) noexcept {
    return element.nodes.size() > 1 && element.nodes[1].kind == Kind::declaration;
}

}   // namespace

bool append_plain(Tape& tape, std::string_view xml) {
    if (tape.nodes.empty() || !shows_its_content(tape)) return false;
    static thread_local Tape part;   // keeps its memory: nearly every message that is kept comes by
    if (!PlainParser::read(xml, part) || !has_its_own_namespace(part)) return false;
    const auto nodes = static_cast<std::uint32_t>(tape.nodes.size());
    const auto text = static_cast<std::uint32_t>(tape.text.size());
    // Counted from where the part's own content begins, which is so far behind its start tag.
    const auto inner = static_cast<std::uint32_t>(tape.inner.size()) - part.nodes.front().begin;
    for (auto& node : part.nodes) {
        node.name.offset += text;
        node.space.offset += text;
        // An element's says where its content begins (tape_content.hpp).
        if (node.kind != Kind::element)
            node.value.offset += text;
        else if (node.value.offset != 0)
            node.value.offset += nodes;
        node.next += nodes;
        node.begin += inner;
        node.end += inner;
    }
    tape.nodes.insert(tape.nodes.end(), part.nodes.begin(), part.nodes.end());
    tape.nodes.front().next = static_cast<std::uint32_t>(tape.nodes.size());
    tape.text += part.text;
    tape.inner += xml;
    return true;
}

namespace {

constexpr std::string_view opens = "<", declares = " xmlns='", follows = "' ", says = "='", ends = "'/>";

/// "<NAME xmlns='SPACE' KEY='VALUE'…/>"
std::size_t length(std::string_view name, std::string_view space, Stanza::Attributes attributes) noexcept {
    auto sum = opens.size() + name.size() + declares.size() + space.size() + ends.size();
    for (const auto& [key, value] : attributes) sum += follows.size() + key.size() + says.size() + value.size();
    return sum;
}

void write(Pen pen, std::string_view name, std::string_view space, Stanza::Attributes attributes) noexcept {
    pen << opens << name << declares << space;
    for (const auto& [key, value] : attributes) pen << follows << key << says << value;
    pen << ends;
}

/// Spans of one text, one behind the other.
class Spans {
public:
    explicit Spans(std::size_t begin) noexcept : at_(static_cast<std::uint32_t>(begin)) {}
    Tape::Span behind(std::size_t gap, std::string_view text) noexcept {
        const Tape::Span span{at_ + static_cast<std::uint32_t>(gap), static_cast<std::uint32_t>(text.size())};
        at_ = span.offset + span.length;
        return span;
    }

private:
    std::uint32_t at_;
};

Tape::Node node(Kind kind, Tape::Span name, Tape::Span space, Tape::Span value, std::uint32_t next) noexcept {
    Tape::Node made;
    made.kind = kind;
    made.name = name;
    made.space = space;
    made.value = value;
    made.next = next;
    return made;
}

}   // namespace

bool append_element(Tape& tape, std::string_view name, std::string_view space, Stanza::Attributes attributes) {
    const auto is_plain = [](const auto& attribute) { return needs_no_escape(attribute.second); };
    if (tape.nodes.empty() || !shows_its_content(tape) || !needs_no_escape(space)) return false;
    if (!std::ranges::all_of(attributes, is_plain)) return false;
    const auto begin = tape.inner.size();
    const auto end = begin + length(name, space, attributes);
    tape.inner.resize_and_overwrite(end, [&](char* text, std::size_t) noexcept {   // gcc 12 says how much room there is
        write(Pen{text + begin}, name, space, attributes);
        return end;
    });
    Spans spans{tape.text.size()};
    tape.text.append(tape.inner, begin);
    auto& nodes = tape.nodes;
    const auto first = static_cast<std::uint32_t>(nodes.size());
    const auto behind = first + 2 + static_cast<std::uint32_t>(attributes.size());
    const auto called = spans.behind(opens.size(), name);
    const auto uri = spans.behind(declares.size(), space);
    auto element = node(Kind::element, called, uri, {behind, 0}, behind);   // its content: tape_content.hpp
    element.begin = static_cast<std::uint32_t>(begin);
    element.end = static_cast<std::uint32_t>(end);
    nodes.push_back(element);
    nodes.push_back(node(Kind::declaration, {}, {}, uri, first + 2));
    for (auto next = first + 3; const auto& [key, value] : attributes) {
        const auto key_span = spans.behind(follows.size(), key);
        nodes.push_back(node(Kind::attribute, key_span, {}, spans.behind(says.size(), value), next++));
    }
    nodes.front().next = behind;
    note_space(tape, space);
    return true;
}

}   // namespace tambo
