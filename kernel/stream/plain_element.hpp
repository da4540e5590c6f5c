// The plainest elements need no parser.
#pragma once

#include <string_view>

#include <tambo/xml.hpp>

namespace tambo {

/// Puts `xml` on the tape as the last child of node 0, which is open: as a parser would after it was appended to
/// `tape.inner`, which this does too. Only for one empty element in ASCII with its own default namespace and no prefix,
/// reference or surprise: what servers add to stanzas. False, and nothing has changed, where it is anything else.
bool append_plain(Tape& tape, std::string_view xml);

}   // namespace tambo
