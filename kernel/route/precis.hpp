// PRECIS string classes (RFC 8264), as far as addresses and passwords need them.
#pragma once

#include <string_view>

#include <unicode/unistr.h>

namespace tambo::precis {

enum class StringClass { identifier, freeform };   ///< RFC 8264 §4.2 and §4.3

/// Whether every code point is valid in that class, contextual rules included (RFC 8264 §8, RFC 5892 Appendix A).
/// What this Unicode version has not assigned is refused.
bool is_valid(const icu::UnicodeString& text, StringClass string_class);

/// RFC 5893 §2 where the text has right-to-left code points; true for texts without any.
bool obeys_bidi_rule(const icu::UnicodeString& text);

/// RFC 8264 §5.2.1: fullwidth and halfwidth code points become what they decompose to.
icu::UnicodeString map_width(const icu::UnicodeString& text);
/// RFC 8265 §4.2.2: every space separator becomes U+0020.
icu::UnicodeString map_spaces(const icu::UnicodeString& text);
/// Normalization Form C.
icu::UnicodeString compose(const icu::UnicodeString& text);

/// False for what is not UTF-8 (overlong forms and surrogates included).
bool from_utf8(std::string_view bytes, icu::UnicodeString& text);

}   // namespace tambo::precis
