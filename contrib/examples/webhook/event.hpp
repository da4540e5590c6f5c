// A message as the receiver of the hook gets to know it.
#pragma once

#include <string>

#include <tambo/stanza.hpp>
#include <tambo/time.hpp>

namespace webhook {

/// One line of JSON: id, time, from, to, type, the stanza's own id, the length of the body; the body itself only if
/// `with_body`. The id is made here and stays the same however often it is sent.
std::string event(const tambo::Stanza& message, tambo::Time now, bool with_body);

}   // namespace webhook
