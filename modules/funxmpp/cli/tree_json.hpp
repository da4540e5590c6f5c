// Trees as JSON, in the form of the test vectors: {"tag": "message", "attrs": [["to", "x"]], "children": […]}
#pragma once

#include <string>
#include <string_view>

#include <tambo/xml.hpp>

#include "decoder.hpp"

namespace tambo::funxmpp {

/// One line for what Decoder::decode_raw said and wrote: a tree, or {"error": …, "stream_error": …, "offset": …}.
std::string tree_to_json(const Decoded& decoded, const Tape& tape, Dialect dialect);

/// A tree as a raw tape. Kind::error if the text is no tree; then `offset` says nothing.
Decoded tree_from_json(std::string_view json, Tape& tape);

}   // namespace tambo::funxmpp
