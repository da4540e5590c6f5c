#include "xml_out.hpp"

#include <array>
#include <string_view>

namespace tambo::funxmpp {

namespace {

using Kind = Tape::Kind;

enum class Care : std::uint8_t { none, attribute, always };

constexpr auto care = [] {
    std::array<Care, 256> table{};
    for (const char c : {'\'', '"', '<', '>', '&', '\r'}) table[static_cast<unsigned char>(c)] = Care::always;
    for (const char c : {'\n', '\t'}) table[static_cast<unsigned char>(c)] = Care::attribute;
    return table;
}();

std::string_view escaped(char c) noexcept {
    switch (c) {
        case '<':
            return "&lt;";
        case '>':
            return "&gt;";
        case '&':
            return "&amp;";
        case '\'':
            return "&apos;";
        case '"':
            return "&quot;";
        case '\n':
            return "&#10;";   // a reader would make spaces of these three (XML 1.0 §2.11, §3.3.3)
        case '\t':
            return "&#9;";
        default:
            return "&#13;";
    }
}

void escape_to(std::string& out, std::string_view text, Care least) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (care[static_cast<unsigned char>(text[i])] < least) continue;
        out.append(text, kept, i - kept).append(escaped(text[i]));
        kept = i + 1;
    }
    out.append(text, kept);
}

/// "<name a='b'" of one element; returns the index of what follows its attributes.
std::uint32_t write_tag(const Tape& tape, std::uint32_t element, std::string& out) {
    const auto end = tape.nodes[element].next;
    out.append("<").append(tape.at(tape.nodes[element].name));
    auto i = element + 1;
    for (; i < end; ++i) {
        const auto& node = tape.nodes[i];
        const bool is_declaration = node.kind == Kind::declaration;
        if (!is_declaration && node.kind != Kind::attribute) break;
        out += is_declaration ? node.name.length > 0 ? " xmlns:" : " xmlns" : " ";
        out.append(tape.at(node.name)).append("='");
        escape_to(out, tape.at(node.value), Care::attribute);
        out += '\'';
    }
    return i;
}

std::uint32_t behind_attributes(const Tape& tape, std::uint32_t element) noexcept {
    auto i = element + 1;
    while (i < tape.nodes[element].next && tape.nodes[i].kind != Kind::element && tape.nodes[i].kind != Kind::text) ++i;
    return i;
}

}   // namespace

bool write_inner(Tape& tape, std::size_t max_bytes) {
    auto& out = tape.inner;
    out.clear();
    std::uint32_t parent = 0;
    for (auto i = behind_attributes(tape, 0); out.size() <= max_bytes;) {
        if (i == tape.nodes[parent].next) {
            if (parent == 0) return true;
            auto& closed = tape.nodes[parent];
            parent = closed.end;
            out.append("</").append(tape.at(closed.name)).append(">");
            closed.end = static_cast<std::uint32_t>(out.size());
        } else if (tape.nodes[i].kind == Kind::text) {
            escape_to(out, tape.at(tape.nodes[i].value), Care::always);
            i = tape.nodes[i].next;
        } else {
            auto& opened = tape.nodes[i];
            opened.begin = static_cast<std::uint32_t>(out.size());
            const auto content = write_tag(tape, i, out);
            const bool is_empty = content == opened.next;
            out += is_empty ? "/>" : ">";
            opened.end = is_empty ? static_cast<std::uint32_t>(out.size()) : parent;   // till it is closed
            if (!is_empty) parent = i;
            i = content;
        }
    }
    return false;
}

void write_xml(const Tape& tape, std::string& out) {
    write_tag(tape, 0, out);
    if (tape.inner.empty()) {
        out += "/>";
        return;
    }
    out.append(">").append(tape.inner).append("</").append(tape.at(tape.nodes.front().name)).append(">");
}

}   // namespace tambo::funxmpp
