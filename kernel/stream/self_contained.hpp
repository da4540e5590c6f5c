// Stanzas that bring their own namespace declarations along.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <tambo/xml.hpp>

namespace tambo {

/// True if children of this stanza may use declarations that its start tag makes, other than a default namespace that
/// is the stanza's own. Clients that do this are rare.
bool leans_on_start_tag(const Tape& tape) noexcept;

/// `stanza` written such that each of its children declares all prefixes that it uses; the start tag keeps those that
/// it needs itself. `tape` is that of `<w declarations>stanza</w>`, whose node 0 makes the declarations inherited from
/// the stream header. nullopt if the result would be longer than `max_bytes` (every child repeats what it uses).
std::optional<std::string> self_contained(const Tape& wrapped, std::size_t max_bytes);

}   // namespace tambo
