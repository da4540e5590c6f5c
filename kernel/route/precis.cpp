#include "route/precis.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

namespace tambo::precis {

namespace {

// RFC 8264 §8: what a code point may be. `freeform_only` is the RFC's "ID_DIS or FREE_PVAL".
enum class Property { valid, freeform_only, context, disallowed };

template <auto Instance>
const icu::Normalizer2& normalizer() {
    UErrorCode status = U_ZERO_ERROR;
    const auto* found = Instance(status);
    if (U_FAILURE(status)) throw std::runtime_error("ICU has no normalization data");
    return *found;
}

const icu::Normalizer2& nfc() { return normalizer<icu::Normalizer2::getNFCInstance>(); }
const icu::Normalizer2& nfkc() { return normalizer<icu::Normalizer2::getNFKCInstance>(); }

bool is_arabic_indic_digit(UChar32 c) { return c >= 0x0660 && c <= 0x0669; }
bool is_extended_arabic_indic_digit(UChar32 c) { return c >= 0x06F0 && c <= 0x06F9; }

// RFC 8264 §9.6; returns false for a code point that is no exception.
bool exception(UChar32 c, Property& property) {
    if (is_arabic_indic_digit(c) || is_extended_arabic_indic_digit(c)) return property = Property::context, true;
    if (c >= 0x3031 && c <= 0x3035) return property = Property::disallowed, true;
    switch (c) {
        case 0x00DF:
        case 0x03C2:
        case 0x06FD:
        case 0x06FE:
        case 0x0F0B:
        case 0x3007:
            return property = Property::valid, true;
        case 0x00B7:
        case 0x0375:
        case 0x05F3:
        case 0x05F4:
        case 0x30FB:
            return property = Property::context, true;
        case 0x0640:
        case 0x07FA:
        case 0x302E:
        case 0x302F:
        case 0x303B:
            return property = Property::disallowed, true;
        default:
            return false;
    }
}

bool is_old_hangul_jamo(UChar32 c) {
    const auto type = u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE);
    return type == U_HST_LEADING_JAMO || type == U_HST_VOWEL_JAMO || type == U_HST_TRAILING_JAMO;
}

bool is_ignorable(UChar32 c) {
    return u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) ||
           u_hasBinaryProperty(c, UCHAR_NONCHARACTER_CODE_POINT);
}

// RFC 8264 §9.17.
bool has_compatibility_form(UChar32 c) {
    UErrorCode status = U_ZERO_ERROR;
    return !nfkc().isNormalized(icu::UnicodeString{c}, status) || U_FAILURE(status);
}

constexpr std::uint32_t letter_digits =
    U_GC_LL_MASK | U_GC_LU_MASK | U_GC_LO_MASK | U_GC_ND_MASK | U_GC_LM_MASK | U_GC_MN_MASK | U_GC_MC_MASK;
constexpr std::uint32_t other_letter_digits = U_GC_LT_MASK | U_GC_NL_MASK | U_GC_NO_MASK | U_GC_ME_MASK;
constexpr std::uint32_t freeform_extras = other_letter_digits | U_GC_ZS_MASK | U_GC_S_MASK | U_GC_P_MASK;

// RFC 8264 §8, in its order.
Property property_of(UChar32 c) {
    if (Property property{}; exception(c, property)) return property;
    const std::uint32_t category = U_GET_GC_MASK(c);
    if (category & U_GC_CN_MASK) return Property::disallowed;
    if (c >= 0x21 && c <= 0x7E) return Property::valid;
    if (c == 0x200C || c == 0x200D) return Property::context;
    if (is_old_hangul_jamo(c) || is_ignorable(c) || category & U_GC_CC_MASK) return Property::disallowed;
    if (has_compatibility_form(c)) return Property::freeform_only;
    if (category & letter_digits) return Property::valid;
    if (category & freeform_extras) return Property::freeform_only;
    return Property::disallowed;
}

constexpr UChar32 no_code_point = -1;

UChar32 before(const icu::UnicodeString& text, std::int32_t at) {
    return at > 0 ? text.char32At(at - 1) : no_code_point;
}
UChar32 after(const icu::UnicodeString& text, std::int32_t at) {
    const auto next = text.moveIndex32(at, 1);
    return next < text.length() ? text.char32At(next) : no_code_point;
}

bool is_of_script(UChar32 c, UScriptCode script) {
    UErrorCode status = U_ZERO_ERROR;
    return c != no_code_point && uscript_getScript(c, &status) == script && U_SUCCESS(status);
}

bool follows_virama(const icu::UnicodeString& text, std::int32_t at) {
    constexpr int virama = 9;
    const auto c = before(text, at);
    return c != no_code_point && u_getCombiningClass(c) == virama;
}

// Walks over transparent code points, in steps of `direction`, to the joining type that decides.
std::int32_t joining_type_beside(const icu::UnicodeString& text, std::int32_t at, int direction) {
    for (;;) {
        if (direction < 0 && at == 0) return U_JT_NON_JOINING;
        at = text.moveIndex32(at, direction);
        if (at >= text.length()) return U_JT_NON_JOINING;
        const auto type = u_getIntPropertyValue(text.char32At(at), UCHAR_JOINING_TYPE);
        if (type != U_JT_TRANSPARENT) return type;
    }
}

// RFC 5892 Appendix A.1.
bool allows_non_joiner(const icu::UnicodeString& text, std::int32_t at) {
    if (follows_virama(text, at)) return true;
    const auto left = joining_type_beside(text, at, -1), right = joining_type_beside(text, at, +1);
    return (left == U_JT_LEFT_JOINING || left == U_JT_DUAL_JOINING) &&
           (right == U_JT_RIGHT_JOINING || right == U_JT_DUAL_JOINING);
}

template <class Claim>
bool any(const icu::UnicodeString& text, Claim claim) {
    for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1))
        if (claim(text.char32At(at))) return true;
    return false;
}

bool is_kana_or_han(UChar32 c) {
    return is_of_script(c, USCRIPT_HIRAGANA) || is_of_script(c, USCRIPT_KATAKANA) || is_of_script(c, USCRIPT_HAN);
}

// What some contextual rules ask of the whole text; found once for each text, or a long one would cost its square.
struct Company {
    bool mixes_arabic_digits, has_kana_or_han;

    explicit Company(const icu::UnicodeString& text)
        : mixes_arabic_digits(any(text, is_arabic_indic_digit) && any(text, is_extended_arabic_indic_digit)),
          has_kana_or_han(any(text, is_kana_or_han)) {}
};

// RFC 5892 Appendix A.
bool context_allows(const icu::UnicodeString& text, std::int32_t at, const Company& company) {
    const auto c = text.char32At(at);
    if (is_arabic_indic_digit(c) || is_extended_arabic_indic_digit(c)) return !company.mixes_arabic_digits;
    switch (c) {
        case 0x200C:
            return allows_non_joiner(text, at);
        case 0x200D:
            return follows_virama(text, at);
        case 0x00B7:
            return before(text, at) == 'l' && after(text, at) == 'l';
        case 0x0375:
            return is_of_script(after(text, at), USCRIPT_GREEK);
        case 0x05F3:
        case 0x05F4:
            return is_of_script(before(text, at), USCRIPT_HEBREW);
        case 0x30FB:
            return company.has_kana_or_han;
        default:
            return false;
    }
}

constexpr std::uint32_t direction(UCharDirection d) { return std::uint32_t{1} << d; }

constexpr auto right_to_left =
    direction(U_RIGHT_TO_LEFT) | direction(U_RIGHT_TO_LEFT_ARABIC) | direction(U_ARABIC_NUMBER);
constexpr auto allowed_right_to_left = right_to_left | direction(U_EUROPEAN_NUMBER) |
                                       direction(U_EUROPEAN_NUMBER_SEPARATOR) | direction(U_COMMON_NUMBER_SEPARATOR) |
                                       direction(U_EUROPEAN_NUMBER_TERMINATOR) | direction(U_OTHER_NEUTRAL) |
                                       direction(U_BOUNDARY_NEUTRAL) | direction(U_DIR_NON_SPACING_MARK);

std::uint32_t direction_of(UChar32 c) { return direction(u_charDirection(c)); }

}   // namespace

bool is_valid(const icu::UnicodeString& text, StringClass string_class) {
    std::optional<Company> company;
    for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
        const auto property = property_of(text.char32At(at));
        if (property == Property::disallowed) return false;
        if (property == Property::freeform_only && string_class == StringClass::identifier) return false;
        if (property != Property::context) continue;
        if (!company) company.emplace(text);
        if (!context_allows(text, at, *company)) return false;
    }
    return true;
}

bool obeys_bidi_rule(const icu::UnicodeString& text) {
    if (!any(text, [](UChar32 c) { return (direction_of(c) & right_to_left) != 0; })) return true;
    if ((direction_of(text.char32At(0)) & (direction(U_RIGHT_TO_LEFT) | direction(U_RIGHT_TO_LEFT_ARABIC))) == 0)
        return false;   // rule 1; one that begins with L may not hold what we found (rule 5)
    std::uint32_t seen = 0, last = 0;
    for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
        const auto d = direction_of(text.char32At(at));
        seen |= d;
        if (d != direction(U_DIR_NON_SPACING_MARK)) last = d;
    }
    const bool mixes_numbers = (seen & direction(U_EUROPEAN_NUMBER)) != 0 && (seen & direction(U_ARABIC_NUMBER)) != 0;
    return (seen & ~allowed_right_to_left) == 0 && !mixes_numbers &&
           (last & (right_to_left | direction(U_EUROPEAN_NUMBER))) != 0;
}

icu::UnicodeString map_width(const icu::UnicodeString& text) {
    icu::UnicodeString mapped;
    for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
        const auto c = text.char32At(at);
        const auto type = u_getIntPropertyValue(c, UCHAR_DECOMPOSITION_TYPE);
        icu::UnicodeString plain;
        if ((type == U_DT_WIDE || type == U_DT_NARROW) && nfkc().getRawDecomposition(c, plain))
            mapped += plain;
        else
            mapped += c;
    }
    return mapped;
}

icu::UnicodeString map_spaces(const icu::UnicodeString& text) {
    icu::UnicodeString mapped;
    for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
        const auto c = text.char32At(at);
        mapped += u_charType(c) == U_SPACE_SEPARATOR ? UChar32{' '} : c;
    }
    return mapped;
}

icu::UnicodeString compose(const icu::UnicodeString& text) {
    UErrorCode status = U_ZERO_ERROR;
    auto composed = nfc().normalize(text, status);
    if (U_FAILURE(status)) throw std::runtime_error("ICU cannot normalize");
    return composed;
}

bool from_utf8(std::string_view bytes, icu::UnicodeString& text) {
    const auto* raw = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const auto size = static_cast<std::int32_t>(bytes.size());
    for (std::int32_t at = 0; at < size;) {
        UChar32 c = 0;
        U8_NEXT(raw, at, size, c);   // NOLINT(bugprone-inc-dec-in-conditions): ICU's macro
        if (c < 0) return false;
        text += c;
    }
    return true;
}

}   // namespace tambo::precis
