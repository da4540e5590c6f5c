// XML that does not come from a stream.
#pragma once

#include <string_view>

#include <tambo/result.hpp>
#include <tambo/xml.hpp>

namespace tambo {

/// Reads one stanza given as text into `tape`, as Reader does. Slow: it makes a parser. Condition::bad_request if it
/// can't.
Result<void> read_stanza(std::string_view xml, Tape& tape);

}   // namespace tambo
