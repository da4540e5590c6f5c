// Looks for things in XML without parsing it: the server under test wrote it, and the generator has to be faster than
// that.
#pragma once

#include <cstddef>
#include <string_view>

namespace bench {

/// Length of the element at the front, which begins with '<'; 0 if it is not all there.
std::size_t element_length(std::string_view xml) noexcept;
/// Length of the tag at the front; 0 if it is not all there.
std::size_t tag_length(std::string_view xml) noexcept;
/// "<name" with the name's end behind it.
bool is_element(std::string_view xml, std::string_view name) noexcept;
/// An attribute of the first tag.
std::string_view attribute(std::string_view xml, std::string_view name) noexcept;
/// Text of the first element whose tag starts with `open`, such as "<jid".
std::string_view text_of(std::string_view xml, std::string_view open) noexcept;

}   // namespace bench
