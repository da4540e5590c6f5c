#include "stream/xml_size.hpp"

#include <string_view>

#include "stream/escape.hpp"

namespace tambo {

namespace {

constexpr std::size_t attribute_frame = 4;   // ` ='…'`

std::size_t attribute_size(std::size_t name, std::string_view value) noexcept {
    return attribute_frame + name + escaped_attribute_size(value);
}

std::size_t attribute_if(std::string_view name, std::string_view value) noexcept {
    return value.empty() ? 0 : attribute_size(name.size(), value);
}

std::size_t tags_size(std::size_t name, std::size_t attributes, std::size_t inner) noexcept {
    constexpr std::size_t empty_tag = 3, both_tags = 5;   // `</>`, `<></>`
    return attributes + (inner == 0 ? empty_tag + name : both_tags + 2 * name + inner);
}

}   // namespace

std::size_t xml_size(const Stanza& stanza) noexcept {
    const auto attributes = attribute_if("from", stanza.from().text()) + attribute_if("to", stanza.to().text()) +
                            attribute_if("id", stanza.id()) + attribute_if("type", stanza.type()) +
                            attribute_if("xml:lang", stanza.lang()) + stanza.extra().size();
    const auto& nodes = stanza.tape().nodes;   // of kind `other`: the name with its prefix
    const bool has_own_name = stanza.kind() == Stanza::Kind::other && !nodes.empty();
    const auto name = has_own_name ? nodes.front().name.length : stanza.name().size();
    return tags_size(name, attributes, stanza.inner().size());
}

std::size_t xml_size(const Tape& tape) noexcept {
    if (tape.nodes.empty()) return 0;
    constexpr std::size_t xmlns = 5;
    std::size_t attributes = 0;
    for (std::size_t i = 1; i < tape.nodes.size(); ++i) {
        const auto& node = tape.nodes[i];
        if (node.kind == Tape::Kind::element || node.kind == Tape::Kind::text) break;
        const bool declares = node.kind == Tape::Kind::declaration;
        const auto name = node.name.length + (!declares ? 0 : node.name.length == 0 ? xmlns : xmlns + 1);
        attributes += attribute_size(name, tape.at(node.value));
    }
    return tags_size(tape.nodes.front().name.length, attributes, tape.inner.size());
}

}   // namespace tambo
