#include "xml_out.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "appending.hpp"
#include "words.hpp"

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

/// Is there, among sixteen characters, one below the space or one of ' " < > &? Two pairs of these differ by one bit.
bool may_need_care(const char* text) noexcept {
    static_assert(('&' | 1) == '\'' && ('<' | 2) == '>');
    const auto said = block(text);
    const auto is_control = (said >= 0) & (said < ' ');
    return has_yes(is_control | (said == '"') | ((said | 1) == '\'') | ((said | 2) == '>'));
}

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

/// Where in `text`, from `at` on, something stands that is not written as it is; its end if nowhere.
std::size_t find_care(std::string_view text, std::size_t at, Care least) noexcept {
    while (at < text.size()) {
        const bool is_long = text.size() >= block_bytes;
        const auto begin = is_long ? std::min(at, text.size() - block_bytes) : at;   // the last one overlaps
        if (is_long && !may_need_care(text.data() + begin)) {
            at = begin + block_bytes;
            continue;
        }
        for (const auto end = std::min(at + block_bytes, text.size()); at < end; ++at)
            if (care[static_cast<unsigned char>(text[at])] >= least) return at;
    }
    return at;
}

void put_escaped(Appending& out, std::string_view text, Care least) {
    for (std::size_t kept = 0;;) {
        const auto at = find_care(text, kept, least);
        out.put(text.substr(kept, at - kept));
        if (at == text.size()) return;
        out.put(escaped(text[at]));
        kept = at + 1;
    }
}

/// "<name a='b'" of one element; returns the index of what follows its attributes.
std::uint32_t write_tag(const Tape& tape, std::uint32_t element, Appending& out) {
    const auto end = tape.nodes[element].next;
    out.put('<');
    out.put(tape.at(tape.nodes[element].name));
    auto i = element + 1;
    for (; i < end; ++i) {
        const auto& node = tape.nodes[i];
        const bool is_declaration = node.kind == Kind::declaration;
        if (!is_declaration && node.kind != Kind::attribute) break;
        out.put(is_declaration ? node.name.length > 0 ? " xmlns:" : " xmlns" : " ");
        out.put(tape.at(node.name));
        out.put("='");
        put_escaped(out, tape.at(node.value), Care::attribute);
        out.put('\'');
    }
    return i;
}

void write_end(const Tape& tape, const Tape::Node& element, Appending& out) {
    out.put("</");
    out.put(tape.at(element.name));
    out.put('>');
}

std::uint32_t behind_attributes(const Tape& tape, std::uint32_t element) noexcept {
    auto i = element + 1;
    while (i < tape.nodes[element].next && tape.nodes[i].kind != Kind::element && tape.nodes[i].kind != Kind::text) ++i;
    return i;
}

}   // namespace

bool write_inner(Tape& tape, std::size_t max_bytes) {
    tape.inner.clear();
    Appending out{tape.inner};
    std::uint32_t parent = 0;
    for (auto i = behind_attributes(tape, 0); out.size() <= max_bytes;) {
        if (i == tape.nodes[parent].next) {
            if (parent == 0) return true;
            auto& closed = tape.nodes[parent];
            parent = closed.end;
            write_end(tape, closed, out);
            closed.end = static_cast<std::uint32_t>(out.size());
        } else if (tape.nodes[i].kind == Kind::text) {
            put_escaped(out, tape.at(tape.nodes[i].value), Care::always);
            i = tape.nodes[i].next;
        } else {
            auto& opened = tape.nodes[i];
            opened.begin = static_cast<std::uint32_t>(out.size());
            const auto content = write_tag(tape, i, out);
            const bool is_empty = content == opened.next;
            out.put(is_empty ? "/>" : ">");
            opened.end = is_empty ? static_cast<std::uint32_t>(out.size()) : parent;   // till it is closed
            if (!is_empty) parent = i;
            i = content;
        }
    }
    return false;
}

void write_xml(const Tape& tape, std::string& whole) {
    Appending out{whole};
    write_tag(tape, 0, out);
    out.put(tape.inner.empty() ? "/>" : ">");
    if (tape.inner.empty()) return;
    out.put(tape.inner);
    write_end(tape, tape.nodes.front(), out);
}

}   // namespace tambo::funxmpp
