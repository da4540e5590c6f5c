// Tapes to compare.
#pragma once

#include <string>

#include <tambo/xml.hpp>

namespace tambo::funxmpp {

/// All that a tape says, without where it says it and how its texts travelled.
inline std::string told(const Tape& tape) {
    static constexpr const char* kinds[] = {"element ", "attribute ", "declaration ", "text "};
    std::string out;
    for (const auto& node : tape.nodes) {
        out += kinds[static_cast<int>(node.kind)];
        out.append(tape.at(node.name)).append(" {").append(tape.at(node.space)).append("} '");
        out.append(tape.at(node.value)).append("' prefix ");
        out += std::to_string(node.kind == Tape::Kind::text ? 0 : node.prefix);
        out.append(" next ").append(std::to_string(node.next)).append("\n");
    }
    return out;
}

}   // namespace tambo::funxmpp
