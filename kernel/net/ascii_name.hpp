// A domain as DNS, SNI and certificates spell it.
#pragma once

#include <string>
#include <string_view>

namespace tambo {

/// RFC 5890: `bücher.example` as `xn--bcher-kva.example`, in lower case. What IDNA refuses (an IP address, a name that
/// is too long) comes back as it is.
std::string ascii_name(std::string_view domain);

}   // namespace tambo
