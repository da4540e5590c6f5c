// A tape as text, whatever the order in which its characters lie in memory.
#pragma once

#include <string>

#include <tambo/xml.hpp>

namespace tambo::reference {

/// One line for each node: kind, all its numbers, name, {namespace}, value; then what is inside the element.
inline std::string listing(const Tape& tape) {
    std::string out;
    for (const auto& node : tape.nodes) {
        out += std::string{"e@:t"}[static_cast<std::size_t>(node.kind)];
        for (const auto number : {std::uint32_t{node.prefix}, node.next, node.begin, node.end})
            out += " " + std::to_string(number);
        out += " " + std::string{tape.at(node.name)} + "{" + std::string{tape.at(node.space)} + "}=";
        // An element's is a number (stream/tape_content.hpp).
        out += node.kind == Tape::Kind::element ? std::to_string(node.value.offset) : std::string{tape.at(node.value)};
        out += "\n";
    }
    return out + tape.inner;
}

}   // namespace tambo::reference
