// What funxmpp-cli prints.
#pragma once

#include <iosfwd>
#include <string>

#include "session_wish.hpp"

namespace tambo::funxmpp {

/// Who it is, and how it is said; for people, or as JSON.
void report_login(const SessionWish& wish, const Bound& bound, const Link& link, std::ostream& out);
/// The same, and what went over the wire.
void report_end(const SessionWish& wish, const Bound& bound, const Link& link, std::ostream& out);
/// One line on standard output, at once.
void report_message(Element message, const std::string& xml, bool is_json);

}   // namespace tambo::funxmpp
