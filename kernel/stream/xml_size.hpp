// How long a stanza would be as XML, without writing it: what other wires save is measured against this.
#pragma once

#include <cstddef>

#include <tambo/stanza.hpp>

namespace tambo {

/// Bytes of Stanza::write(). Looks at the attributes only: the content is XML already.
std::size_t xml_size(const Stanza& stanza) noexcept;

/// The same for what was just read and has not been adopted.
std::size_t xml_size(const Tape& tape) noexcept;

}   // namespace tambo
