// A tape to XML, for those who speak that.
#pragma once

#include <cstddef>
#include <string>

#include <tambo/xml.hpp>

namespace tambo::funxmpp {

/// Writes Tape::inner, and where each element is in it, from the nodes of a tape that Decoder::decode made. False if
/// `inner` would be longer than `max_bytes`; then it is of no use. Allocates for `inner` alone.
bool write_inner(Tape& tape, std::size_t max_bytes);

/// Appends the whole element. The tape must have its `inner`.
void write_xml(const Tape& tape, std::string& out);

}   // namespace tambo::funxmpp
