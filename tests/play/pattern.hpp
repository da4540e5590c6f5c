// What a play says that somebody receives, held against what arrived.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "xml_tree.hpp"

namespace play {

/// What stands in braces: `{Juliet}` a full JID, `{juliet}` a bare one, and what `{keep NAME}` kept.
using Names = std::map<std::string, std::string, std::less<>>;

/// Replaces `{name}` by what it stands for. `{any}`, `{none}`, `{only}` and `{keep …}` stay, for patterns.
/// Throws std::runtime_error for a name that nobody knows.
std::string expand(std::string_view text, const Names& names);

/// The elements of a pattern; names must have been expanded. See README.md for the language.
std::vector<Node> read_pattern(std::string_view text);

/// Why `actual` is not what `pattern` wants; empty if it is. Only then is something kept in `names`.
std::string mismatch(const Node& pattern, const Node& actual, Names& names);

}   // namespace play
