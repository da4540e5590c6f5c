// RFC 6121 §4.7.2.3: the priority in a presence stanza, read alike by all who look at it before it takes effect.
#pragma once

#include <charconv>
#include <string_view>

#include <tambo/stanza.hpp>

namespace tambo::shared {

inline std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view white = " \t\r\n";
    const auto first = text.find_first_not_of(white);
    return first == text.npos ? std::string_view{} : text.substr(first, text.find_last_not_of(white) - first + 1);
}

/// An xs:byte; 0 if there is none.
inline Result<int> read_priority(const Element& presence) {
    const auto element = presence.child("priority");
    if (!element) return 0;
    auto digits = trimmed(element.text());
    if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
    int value = 0;
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool is_number = error == std::errc{} && at == digits.data() + digits.size();
    if (!is_number || value < -128 || value > 127)
        return fail(Condition::bad_request, "a priority is a number from -128 to 127");
    return value;
}

/// A broadcast that asks for messages to the bare JID (RFC 6121 §8.5.2.1), if it is not refused.
inline bool wants_messages(const Stanza& stanza) {
    return stanza.is_presence() && stanza.type().empty() && stanza.to().empty() &&
           read_priority(stanza.xml()).value_or(-1) >= 0;
}

}   // namespace tambo::shared
