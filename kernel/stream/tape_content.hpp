// Where an element's attributes end.
#pragma once

#include <cstdint>

#include <tambo/xml.hpp>

namespace tambo {

// Most looks at a stanza begin with its children, and would step over its attributes first. An element has no value, so
// a parser notes there where its content begins or would begin; 0 says that whoever wrote the tape did not.

/// Of an element whose attributes are the last nodes on the tape.
inline void note_content(Tape& tape, std::uint32_t element) noexcept {
    tape.nodes[element].value.offset = static_cast<std::uint32_t>(tape.nodes.size());
}

/// The first node behind the attributes; if that was not noted, one of them.
inline std::uint32_t content(const Tape& tape, std::uint32_t element) noexcept {
    const auto noted = tape.nodes[element].value.offset;
    return noted != 0 ? noted : element + 1;
}

}   // namespace tambo
