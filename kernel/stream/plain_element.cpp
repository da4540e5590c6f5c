#include "stream/plain_element.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace tambo {

namespace {

constexpr std::size_t max_attributes = 8;

constexpr bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_of_name(char c) noexcept { return is_letter(c) || (c >= '0' && c <= '9') || c == '-'; }
constexpr bool is_of_value(char c) noexcept {
    return c >= ' ' && c <= '~' && c != '\'' && c != '"' && c != '<' && c != '&';
}

struct Attribute {
    std::string_view name, value;
};

struct Plain {
    std::string_view name, space;
    std::array<Attribute, max_attributes> attributes{};
    std::size_t count = 0;

    bool has(std::string_view wanted) const noexcept {
        const auto* end = attributes.data() + count;
        return std::find_if(attributes.data(), end, [&](const Attribute& a) { return a.name == wanted; }) != end;
    }
};

/// Reads from the front of what is left.
class Scanner {
public:
    explicit Scanner(std::string_view xml) noexcept : rest_(xml) {}

    bool skip(std::string_view literal) noexcept {
        if (!rest_.starts_with(literal)) return false;
        rest_.remove_prefix(literal.size());
        return true;
    }
    std::string_view name() noexcept {
        return rest_.empty() || !is_letter(rest_.front()) ? std::string_view{} : take(is_of_name);
    }
    std::string_view value() noexcept { return take(is_of_value); }
    bool is_at_end() const noexcept { return rest_.empty(); }

private:
    std::string_view take(bool (*fits)(char) noexcept) noexcept {
        const auto end = std::ranges::find_if_not(rest_, fits) - rest_.begin();
        const auto taken = rest_.substr(0, static_cast<std::size_t>(end));
        rest_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view rest_;
};

std::optional<Plain> scan(std::string_view xml) noexcept {
    Scanner in{xml};
    Plain plain;
    if (!in.skip("<") || (plain.name = in.name()).empty()) return std::nullopt;
    while (in.skip(" ")) {
        const auto name = in.name();
        if (name.empty() || !in.skip("='")) return std::nullopt;
        const auto value = in.value();
        if (!in.skip("'")) return std::nullopt;
        if (name == "xmlns") {
            if (!plain.space.empty() || value.starts_with("http://www.w3.org/")) return std::nullopt;
            plain.space = value;
        } else {
            if (plain.count == max_attributes || plain.has(name)) return std::nullopt;
            plain.attributes[plain.count++] = {name, value};
        }
    }
    if (plain.space.empty() || !in.skip("/>") || !in.is_at_end()) return std::nullopt;
    return plain;
}

/// Content that is not well-formed is there and not seen (Stanza::xml).
bool shows_its_content(const Tape& tape) noexcept {
    const auto is_of_tag = [](const Tape::Node& node) {
        return node.kind == Tape::Kind::attribute || node.kind == Tape::Kind::declaration;
    };
    return tape.inner.empty() ||
           std::find_if_not(tape.nodes.begin() + 1, tape.nodes.end(), is_of_tag) != tape.nodes.end();
}

Tape::Span keep(Tape& tape, std::string_view text) {
    const Tape::Span span{static_cast<std::uint32_t>(tape.text.size()), static_cast<std::uint32_t>(text.size())};
    tape.text += text;
    return span;
}

Tape::Node& add(Tape& tape, Tape::Kind kind) {
    auto& node = tape.nodes.emplace_back();
    node.kind = kind;
    node.next = static_cast<std::uint32_t>(tape.nodes.size());
    return node;
}

}   // namespace

bool append_plain(Tape& tape, std::string_view xml) {
    if (tape.nodes.empty() || !shows_its_content(tape)) return false;
    const auto plain = scan(xml);
    if (!plain) return false;
    const auto begin = static_cast<std::uint32_t>(tape.inner.size());
    const auto index = tape.nodes.size();
    tape.inner += xml;
    const auto space = keep(tape, plain->space);
    auto& element = add(tape, Tape::Kind::element);
    element.name = keep(tape, plain->name);
    element.space = space;
    element.begin = begin;
    element.end = static_cast<std::uint32_t>(tape.inner.size());
    add(tape, Tape::Kind::declaration).value = space;
    for (std::size_t i = 0; i < plain->count; ++i) {
        auto& attribute = add(tape, Tape::Kind::attribute);
        attribute.name = keep(tape, plain->attributes[i].name);
        attribute.value = keep(tape, plain->attributes[i].value);
    }
    tape.nodes[index].next = tape.nodes.front().next = static_cast<std::uint32_t>(tape.nodes.size());
    return true;
}

}   // namespace tambo
