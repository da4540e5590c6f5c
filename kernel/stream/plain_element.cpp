#include "stream/plain_element.hpp"

#include <algorithm>
#include <cstdint>

#include "stream/plain_parser.hpp"

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

}   // namespace tambo
