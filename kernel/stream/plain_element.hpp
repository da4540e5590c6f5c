// One more child for an element that was read already.
#pragma once

#include <string_view>

#include <tambo/stanza.hpp>

namespace tambo {

/// Puts `xml` on the tape as the last child of node 0, and behind `tape.inner`: what reading all of it anew would give.
/// Only for one element that is plain (PlainParser) and says which namespace it is in. False, and nothing has changed,
/// where it is anything else.
bool append_plain(Tape& tape, std::string_view xml);

/// The same for an empty element without text, which is not read but made (Stanza::append). False, and nothing has
/// changed, where something would have to be escaped, or the tape does not show its content.
bool append_element(Tape& tape, std::string_view name, std::string_view space, Stanza::Attributes attributes);

}   // namespace tambo
