#include "encoder.hpp"

#include <algorithm>
#include <array>

#include "wire.hpp"

namespace tambo::funxmpp {

namespace {

using Kind = Tape::Kind;

constexpr std::string_view text_tag = "#text", declaration = "xmlns";

/// What a start tag and its content amount to.
struct Shape {
    std::uint32_t attributes = 0, elements = 0, texts = 0;
    std::uint32_t content = 0;   // index of the first node behind the attributes
    std::uint32_t text = 0;      // index of the last text that is not empty
};

Shape shape_of(const Tape& tape, std::uint32_t element) noexcept {
    Shape shape;
    const auto end = tape.nodes[element].next;
    auto i = element + 1;
    for (; i < end && tape.nodes[i].kind != Kind::element && tape.nodes[i].kind != Kind::text; ++i) ++shape.attributes;
    shape.content = i;
    for (; i < end; i = tape.nodes[i].next) {
        if (tape.nodes[i].kind == Kind::element) {
            ++shape.elements;
        } else if (tape.nodes[i].value.length > 0) {
            ++shape.texts;
            shape.text = i;
        }
    }
    return shape;
}

}   // namespace

void Encoder::begin(Appending& out, Slots* slots) {
    out_ = &out;
    slots_ = dialect_ == Dialect::page ? slots : nullptr;
    fits_ = true;
    if (dialect_ == Dialect::md) byte(0);   // flags: not compressed
}

bool Encoder::encode(const Tape& tape, std::string& out, Slots* slots) {
    Appending end{out};
    begin(end, slots);
    for (std::uint32_t i = 0; i < tape.nodes.front().next && fits_;) i = node(tape, i);
    return fits_;
}

bool Encoder::encode(Name tag, std::span<const Attribute> attributes, const Tape& content, std::string& out,
                     Slots* slots) {
    Appending end{out};
    begin(end, slots);
    const auto shape = content.nodes.empty() ? Shape{} : shape_of(content, 0);
    const auto items = shape.elements + shape.texts;
    start(tag, attributes, items > 0);
    if (items == 0) return fits_;
    if (items == 1 && shape.texts == 1) {
        this->content(content.nodes[shape.text], content.at(content.nodes[shape.text].value));
        return fits_;
    }
    list(items);
    for (auto i = shape.content; i < content.nodes.front().next && fits_;) i = node(content, i);
    return fits_;
}

bool Encoder::encode(Name tag, std::span<const Attribute> attributes, std::string_view encoded_content,
                     std::string& out, Slots* slots) {
    Appending end{out};
    begin(end, slots);
    start(tag, attributes, true);
    end.put(encoded_content);
    return fits_;
}

void Encoder::start(Name tag, std::span<const Attribute> attributes, bool has_content) {
    list(1 + 2 * attributes.size() + (has_content ? 1 : 0));
    put(tag);
    for (const auto& each : attributes) attribute(each, true);
}

bool Encoder::encode_start(std::span<const Attribute> attributes, std::string& out, Slots* slots) {
    Appending end{out};
    begin(end, slots);
    list(1 + 2 * attributes.size());
    byte(wire::stream_start);
    for (const auto& each : attributes) attribute(each, false);
    return fits_;
}

bool Encoder::encode_start(const Tape& tape, std::string& out, Slots* slots) {
    Appending end{out};
    begin(end, slots);
    const auto attributes = shape_of(tape, 0).attributes;
    list(1 + 2 * std::size_t{attributes});
    byte(wire::stream_start);
    for (std::uint32_t i = 1; i <= attributes; ++i) attribute(tape, tape.nodes[i], false);
    return fits_;
}

void Encoder::encode_end(std::string& out) {
    Appending end{out};
    begin(end, nullptr);
    list(1);
    byte(wire::stream_end);
}

/// Writes what stands at `index` and says where to go on. Nodes are in the order of the document, and every list says
/// beforehand how long it is; so nothing has to be remembered.
std::uint32_t Encoder::node(const Tape& tape, std::uint32_t index) {
    const auto& node = tape.nodes[index];
    if (node.kind == Kind::text) {   // beside elements
        if (node.value.length > 0) text_node(tape.at(node.value));
        return node.next;
    }
    const auto shape = shape_of(tape, index);
    const auto items = shape.elements + shape.texts;
    list(1 + 2 * std::size_t{shape.attributes} + (items > 0 ? 1 : 0));
    name(tape.at(node.name));
    for (auto i = index + 1; i < shape.content; ++i) attribute(tape, tape.nodes[i], index == 0);
    if (items == 0) return node.next;
    if (shape.elements > 0 || shape.texts > 1) {
        list(items);
        return shape.content;
    }
    content(tape.nodes[shape.text], tape.at(tape.nodes[shape.text].value));
    return node.next;
}

void Encoder::attribute(const Tape& tape, const Tape::Node& node, bool is_of_stanza) {
    const auto said = tape.at(node.name);
    if (node.kind == Kind::declaration)
        declared_name(said);
    else
        name(said);
    const bool is_address = is_of_stanza && node.kind == Kind::attribute && (said == "to" || said == "from");
    value(tape.at(node.value), is_address ? Place::address : Place::value);
}

void Encoder::attribute(const Attribute& said, bool is_of_stanza) {
    const bool is_address = is_of_stanza && (said.name.text == "to" || said.name.text == "from");
    put(said.name);
    value(said.value, is_address ? Place::address : Place::value);
}

void Encoder::declared_name(std::string_view prefix) {
    constexpr std::size_t longest_token = 64;
    if (prefix.empty()) return name(declaration);
    std::array<char, longest_token> whole;
    const auto length = declaration.size() + 1 + prefix.size();
    if (length <= whole.size()) {
        auto* end = std::ranges::copy(declaration, whole.data()).out;
        *end++ = ':';
        std::ranges::copy(prefix, end);
        return name({whole.data(), length});
    }
    literal_header(length);
    for (const auto piece : {declaration, std::string_view{":"}, prefix}) out_->put(piece);
}

void Encoder::text_node(std::string_view text) {
    list(2);
    name(text_tag);
    content({}, text);
}

// Text is a literal in classic: so old readers want it. The page dialect packs it; a raw tree says how it came.
void Encoder::content(const Tape::Node& node, std::string_view text) {
    if (dialect_ == Dialect::page) {
        if (token(text) || slot(text) || packed(text)) return;
    } else if (node.prefix != 0 && dialect_ == Dialect::md) {
        return value(text, Place::value);
    }
    literal(text);
}

// --- multi-device

namespace {

/// A device as these JIDs write it: 1 to 255 without anything in front. 0 if it is not.
std::size_t device_number(std::string_view digits) noexcept {
    if (digits.empty() || digits.size() > 3 || digits[0] == '0') return 0;
    std::size_t number = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') return 0;
        number = number * 10 + static_cast<std::size_t>(c - '0');
    }
    return number <= 0xff ? number : 0;
}

}   // namespace

/// user:device@server, where the server is one of the four that have a code. Never an XMPP address: those servers are
/// WhatsApp's.
bool Encoder::device_jid(std::string_view said) {
    const auto colon = said.find(':');
    const auto at = said.find('@');
    if (colon == 0 || at == said.npos || colon > at) return false;
    const auto device = device_number(said.substr(colon + 1, at - colon - 1));
    if (device == 0) return false;
    for (const auto& domain : wire::md::domains) {
        if (domain.server != said.substr(at + 1)) continue;
        byte(wire::md::device_jid);
        byte(domain.code);
        byte(device);
        part(said.substr(0, colon), Place::value);
        return true;
    }
    return false;
}

}   // namespace tambo::funxmpp
