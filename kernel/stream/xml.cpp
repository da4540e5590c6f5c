#include <algorithm>
#include <array>
#include <cassert>

#include <tambo/xml.hpp>

#include "stream/byte_scan.hpp"
#include "stream/escape.hpp"
#include "stream/tape_content.hpp"
#include "stream/tape_spaces.hpp"

namespace tambo {

namespace {

enum class Care : std::uint8_t { none, attribute, always };

constexpr auto care = [] {
    std::array<Care, 256> table{};
    for (std::size_t c = 0; c < ' '; ++c) table[c] = Care::always;
    for (const char c : {'\'', '"', '<', '>', '&'}) table[static_cast<unsigned char>(c)] = Care::always;
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
            return "&#10;";
        case '\t':
            return "&#9;";
        case '\r':
            return "&#13;";   // a reader would make a line feed of it (XML 1.0 §2.11)
        default:
            return "\xef\xbf\xbd";   // XML has no way to write a control character: U+FFFD
    }
}

}   // namespace

bool needs_no_escape(std::string_view text) noexcept {
    using namespace scan;
    constexpr auto word = sizeof(std::uint64_t);
    const auto needs_care = [](const char* p) {
        return marked(load(p), spread('\''), spread('"'), spread('<'), spread('>'), spread('&')) != 0;
    };
    if (text.size() < word)
        return std::ranges::none_of(text, [](char c) { return care[static_cast<unsigned char>(c)] != Care::none; });
    for (std::size_t i = 0; i + word < text.size(); i += word)
        if (needs_care(text.data() + i)) return false;
    return !needs_care(text.data() + text.size() - word);
}

namespace {

void escape_from(std::string& out, std::string_view text, Care least) {
    if (needs_no_escape(text)) {
        out += text;
        return;
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (care[static_cast<unsigned char>(text[i])] < least) continue;
        out.append(text, kept, i - kept);
        out += escaped(text[i]);
        kept = i + 1;
    }
    out.append(text, kept);
}

/// Tape::at() without its doubts: spans are within the text.
std::string_view at(const Tape& tape, Tape::Span span) noexcept {
    return {tape.text.data() + span.offset, span.length};
}

std::string_view local_part(const Tape& tape, const Tape::Node& node) noexcept {
    return {tape.text.data() + node.name.offset + node.prefix, std::size_t{node.name.length} - node.prefix};
}

bool is_named(const Tape& tape, const Tape::Node& node, std::string_view name, std::string_view space) noexcept {
    return node.name.length - node.prefix == name.size() && node.space.length == space.size() &&
           scan::same(local_part(tape, node), name) && scan::same(at(tape, node.space), space);
}

}   // namespace

void escape_to(std::string& out, std::string_view text) { escape_from(out, text, Care::always); }

void escape_attribute_to(std::string& out, std::string_view value) { escape_from(out, value, Care::attribute); }

std::size_t escaped_attribute_size(std::string_view value) noexcept {
    auto size = value.size();
    if (needs_no_escape(value)) return size;
    for (const char c : value)
        if (care[static_cast<unsigned char>(c)] >= Care::attribute) size += escaped(c).size() - 1;
    return size;
}

void write_attribute(std::string& out, std::string_view name, std::string_view value) {
    out += ' ';
    out += name;
    out += "='";
    escape_attribute_to(out, value);
    out += '\'';
}

std::string escape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    escape_to(out, text);
    return out;
}

// --- Element

/// Steps over the nodes that an Element does not show.
struct ElementWalk {
    /// The first element among the siblings from `index` on that is one of those sought, or none.
    template <class Sought>
    static Element from(const Tape& tape, std::uint32_t index, std::uint32_t end, const Sought& is_sought) noexcept {
        const auto* const nodes = tape.nodes.data();
        for (; index < end; index = nodes[index].next) {
            if (nodes[index].kind != Tape::Kind::element || !is_sought(nodes[index])) continue;
            Element found{tape, index};
            found.parent_end_ = end;
            return found;
        }
        return {};
    }
    template <class Sought>
    static Element inside(const Element& parent, const Sought& is_sought) noexcept {
        if (!parent) return {};
        const auto& tape = *parent.tape_;
        return from(tape, content(tape, parent.index_), tape.nodes[parent.index_].next, is_sought);
    }
    static bool any(const Tape::Node&) noexcept { return true; }
};

std::string_view Element::name() const noexcept {
    return tape_ != nullptr ? local_part(*tape_, tape_->nodes[index_]) : std::string_view{};
}

std::string_view Element::space() const noexcept {
    return tape_ != nullptr ? at(*tape_, tape_->nodes[index_].space) : std::string_view{};
}

bool Element::is(std::string_view name, std::string_view space) const noexcept {
    return tape_ != nullptr && is_named(*tape_, tape_->nodes[index_], name, space);
}

namespace {

/// The attribute with that name in that namespace, or null.
const Tape::Node* find_attribute(const Tape* tape, std::uint32_t element, std::string_view name,
                                 std::string_view space) noexcept {
    if (tape == nullptr) return nullptr;
    const auto* const end = tape->nodes.data() + tape->nodes.size();
    for (const auto* node = tape->nodes.data() + element + 1; node < end; ++node) {
        if (node->kind == Tape::Kind::declaration) continue;
        if (node->kind != Tape::Kind::attribute) break;
        if (is_named(*tape, *node, name, space)) return node;
    }
    return nullptr;
}

}   // namespace

std::string_view Element::attribute(std::string_view name) const noexcept {
    const auto* found = find_attribute(tape_, index_, name, {});
    return found != nullptr ? at(*tape_, found->value) : std::string_view{};
}

bool Element::has_attribute(std::string_view name) const noexcept {
    return find_attribute(tape_, index_, name, {}) != nullptr;
}

std::string_view Element::lang() const noexcept {
    const auto* found = find_attribute(tape_, index_, "lang", ns::xml);
    return found != nullptr ? at(*tape_, found->value) : std::string_view{};
}

std::string_view Element::text() const noexcept {
    if (tape_ == nullptr) return {};
    const auto& nodes = tape_->nodes;
    for (auto i = content(*tape_, index_); i < nodes[index_].next; i = nodes[i].next)
        if (nodes[i].kind == Tape::Kind::text) return tape_->at(nodes[i].value);
    return {};
}

Element Element::first() const noexcept { return ElementWalk::inside(*this, ElementWalk::any); }

Element Element::next() const noexcept {
    if (tape_ == nullptr) return {};
    const auto end = index_ == 0 ? static_cast<std::uint32_t>(tape_->nodes.size()) : parent_end_;
    return ElementWalk::from(*tape_, tape_->nodes[index_].next, end, ElementWalk::any);
}

Element Element::child(std::string_view name) const noexcept { return child(name, space()); }

Element Element::child(std::string_view name, std::string_view space) const noexcept {
    if (tape_ == nullptr || (index_ == 0 && has_surely_none(*tape_, space))) return {};
    return ElementWalk::inside(*this, [&](const Tape::Node& node) { return is_named(*tape_, node, name, space); });
}

Element Element::child_in(std::string_view space) const noexcept {
    if (tape_ == nullptr || (index_ == 0 && has_surely_none(*tape_, space))) return {};
    return ElementWalk::inside(*this,
                               [&](const Tape::Node& node) { return scan::same(at(*tape_, node.space), space); });
}

std::string_view Element::xml() const noexcept {
    if (tape_ == nullptr) return {};
    const auto& node = tape_->nodes[index_];
    if (node.end > tape_->inner.size() || node.begin > node.end) return {};   // node 0
    return std::string_view{tape_->inner}.substr(node.begin, node.end - node.begin);
}

namespace {

bool declares(const Tape& tape, std::uint32_t element, std::string_view prefix) noexcept {
    for (auto i = element + 1; i < tape.nodes.size() && tape.nodes[i].kind == Tape::Kind::declaration; ++i)
        if (tape.at(tape.nodes[i].name) == prefix) return true;
    return false;
}

/// The elements around `index`, outermost first, and itself.
std::vector<std::uint32_t> path_to(const Tape& tape, std::uint32_t index) {
    std::vector<std::uint32_t> path;
    std::uint32_t i = 0;
    while (i < index) {
        const bool is_around = tape.nodes[i].next > index;
        if (is_around) path.push_back(i);
        i = is_around ? i + 1 : tape.nodes[i].next;
    }
    path.push_back(index);
    return path;
}

/// The declarations of `path`'s last element but one and those around it, except where something further in has its
/// own.
std::string inherited_declarations(const Tape& tape, const std::vector<std::uint32_t>& path) {
    std::string out;
    for (std::size_t outer = 0; outer + 1 < path.size(); ++outer) {
        for (auto i = path[outer] + 1; tape.nodes[i].kind == Tape::Kind::declaration; ++i) {
            const auto prefix = tape.at(tape.nodes[i].name);
            const auto uri = tape.at(tape.nodes[i].value);
            bool is_hidden = false;
            for (auto inner = outer + 1; inner < path.size() && !is_hidden; ++inner)
                is_hidden = declares(tape, path[inner], prefix);
            if (!is_hidden && !(prefix.empty() && uri == ns::client))
                write_attribute(out, prefix.empty() ? "xmlns" : "xmlns:" + std::string{prefix}, uri);
        }
    }
    return out;
}

}   // namespace

std::string Element::standalone() const {
    std::string out{xml()};
    if (out.empty()) return out;
    const auto& own_name = tape_->nodes[index_].name;
    return out.insert(1 + own_name.length, inherited_declarations(*tape_, path_to(*tape_, index_)));
}

// --- Writer

Writer& Writer::element(std::string_view name, std::string_view space) {
    close_tag();
    out_ += '<';
    out_ += name;
    open_.emplace_back(name);
    in_tag_ = true;
    return space.empty() ? *this : attribute("xmlns", space);
}

Writer& Writer::attribute(std::string_view name, std::string_view value) {
    assert(in_tag_ && "an attribute needs an element that has no content yet");
    if (in_tag_) write_attribute(out_, name, value);
    return *this;
}

Writer& Writer::text(std::string_view characters) {
    close_tag();
    escape_to(out_, characters);
    return *this;
}

Writer& Writer::raw(std::string_view well_formed_xml) {
    close_tag();
    out_ += well_formed_xml;
    return *this;
}

Writer& Writer::end() {
    assert(!open_.empty() && "end() without element()");
    if (open_.empty()) return *this;
    if (in_tag_) {
        out_ += "/>";
        in_tag_ = false;
    } else {
        out_ += "</";
        out_ += open_.back();
        out_ += '>';
    }
    open_.pop_back();
    return *this;
}

Writer& Writer::end_all() {
    while (!open_.empty()) end();
    return *this;
}

void Writer::close_tag() {
    if (in_tag_) out_ += '>';
    in_tag_ = false;
}

}   // namespace tambo
