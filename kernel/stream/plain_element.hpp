// One more child for an element that was read already.
#pragma once

#include <string_view>

#include <tambo/xml.hpp>

namespace tambo {

/// Puts `xml` on the tape as the last child of node 0, and behind `tape.inner`: what reading all of it anew would give.
/// Only for one element that is plain (PlainParser) and says which namespace it is in. False, and nothing has changed,
/// where it is anything else.
bool append_plain(Tape& tape, std::string_view xml);

}   // namespace tambo
