#include "xml_out.hpp"

#include <array>
#include <cstring>
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

/// Appends to a string through a pointer into all of its memory; cut to size when it goes.
class Appending {
public:
    explicit Appending(std::string& out) : out_(out), size_(out.size()) { resize(out.capacity()); }
    ~Appending() { out_.resize(size_); }
    Appending(const Appending&) = delete;
    Appending& operator=(const Appending&) = delete;

    std::size_t size() const noexcept { return size_; }
    void put(std::string_view text) {
        make_room(text.size());
        std::memcpy(at_ + size_, text.data(), text.size());
        size_ += text.size();
    }
    void put(char c) {
        make_room(1);
        at_[size_++] = c;
    }
    void escaped_text(std::string_view text, Care least) {
        make_room(text.size());
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (care[static_cast<unsigned char>(text[i])] < least) {
                at_[size_++] = text[i];
                continue;
            }
            put(escaped(text[i]));
            make_room(text.size() - i);
        }
    }

private:
    void make_room(std::size_t bytes) {
        if (size_ + bytes > out_.size()) resize(2 * (size_ + bytes));
    }
    void resize(std::size_t bytes) {
        out_.resize_and_overwrite(bytes, [](char*, std::size_t size) { return size; });
        at_ = out_.data();
    }

    std::string& out_;
    std::size_t size_;
    char* at_ = nullptr;
};

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
        out.escaped_text(tape.at(node.value), Care::attribute);
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
            out.escaped_text(tape.at(tape.nodes[i].value), Care::always);
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
