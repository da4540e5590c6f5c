// What XML 1.0 and Namespaces in XML allow in text and names.
#pragma once

#include <cstddef>
#include <string_view>

#include "dialect.hpp"

namespace tambo::funxmpp {

/// Fault::none, bad_utf8 (overlong forms and surrogates included) or bad_xml_char.
Fault check_text(std::string_view text) noexcept;

/// Is this a QName? Those that expat, hence every XML client, takes: XML 1.0, fourth edition. `text` must have passed
/// check_text. `prefix` becomes the bytes of prefix and colon.
bool is_qname(std::string_view text, std::size_t& prefix) noexcept;

}   // namespace tambo::funxmpp
