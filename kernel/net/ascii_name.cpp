#include "net/ascii_name.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include <unicode/uidna.h>

namespace tambo {

namespace {

struct Close {
    void operator()(UIDNA* idna) const noexcept { uidna_close(idna); }
};

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string lower(std::string_view name) {
    std::string result{name};
    for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return result;
}

}   // namespace

std::string ascii_name(std::string_view domain) {
    if (is_ascii(domain)) return lower(domain);
    std::array<char, 256> name{};
    UErrorCode status = U_ZERO_ERROR;
    const std::unique_ptr<UIDNA, Close> idna{uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII, &status)};
    if (U_FAILURE(status) || domain.size() >= name.size()) return std::string{domain};
    UIDNAInfo details = UIDNA_INFO_INITIALIZER;
    const auto length = uidna_nameToASCII_UTF8(idna.get(), domain.data(), static_cast<int>(domain.size()), name.data(),
                                               static_cast<int>(name.size()), &details, &status);
    if (U_FAILURE(status) || details.errors != 0 || length <= 0) return std::string{domain};
    return {name.data(), static_cast<std::size_t>(length)};
}

}   // namespace tambo
