// Writing attributes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tambo {

/// True of nearly all that is ever written: no escaping would change it, in an attribute or elsewhere.
bool needs_no_escape(std::string_view text) noexcept;

/// Like escape_to, and keeps tabs and line breaks, which a reader would turn into spaces (XML 1.0 §3.3.3).
void escape_attribute_to(std::string& out, std::string_view value);

/// What escape_attribute_to would append.
std::size_t escaped_attribute_size(std::string_view value) noexcept;

/// Appends ` name='value'`, escaped.
void write_attribute(std::string& out, std::string_view name, std::string_view value);

}   // namespace tambo
