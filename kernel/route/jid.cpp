#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <utility>

#include <unicode/idna.h>
#include <unicode/locid.h>

#include <tambo/jid.hpp>

#include "route/precis.hpp"
#include "route/text_hash.hpp"

namespace tambo {

// One block: this head, then the text.
struct Jid::Rep {
    std::atomic<std::uint32_t> uses{1};
    std::uint16_t local_size = 0;   // 0: no localpart
    std::uint16_t bare_size = 0;
    std::uint16_t size = 0;
    std::uint64_t bare_hash = 0;
    std::uint64_t hash = 0;

    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    const char* bytes() const noexcept { return reinterpret_cast<const char*>(this + 1); }
    std::string_view text() const noexcept { return {bytes(), size}; }

    static Rep* make(std::size_t size) { return new (::operator new(sizeof(Rep) + size)) Rep; }
    void acquire() noexcept { uses.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (uses.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        this->~Rep();
        ::operator delete(this);
    }
};

static_assert(3 * Jid::max_part_bytes + 2 <= std::numeric_limits<std::uint16_t>::max());

namespace {

using precis::StringClass;

// A part may shrink while it is prepared (three bytes of fullwidth letter become one), but not without end.
constexpr std::size_t max_raw_part_bytes = 3 * Jid::max_part_bytes;
// RFC 8264 §7: a profile is applied again until nothing changes; what does not settle is refused.
constexpr int max_applications = 4;

std::unexpected<Error> malformed(const char* why) { return fail(Condition::jid_malformed, why); }

bool is_ascii(std::string_view text) noexcept {
    unsigned char all = 0;
    for (const char c : text) all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
    return all < 0x80;
}

constexpr std::string_view excluded_from_local = "\"&'/:<>@";   // RFC 7622 §3.3.1

// For each byte its lower-cased self if the fast path may take it, else 0.
using Table = std::array<char, 256>;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr Table local_table = [] {
    Table table{};
    for (char c = 0x21; c < 0x7F; ++c)
        if (excluded_from_local.find(c) == std::string_view::npos) table[static_cast<unsigned char>(c)] = lower(c);
    return table;
}();
constexpr Table resource_table = [] {
    Table table{};
    for (char c = 0x20; c < 0x7F; ++c) table[static_cast<unsigned char>(c)] = c;
    return table;
}();
constexpr Table domain_table = [] {
    Table table{};
    for (const char c : std::string_view{"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."})
        table[static_cast<unsigned char>(c)] = lower(c);
    return table;
}();

// The text mapped through the table; none if the table refuses a byte.
std::optional<std::string> mapped(std::string_view raw, const Table& table) {
    std::string text(raw.size(), '\0');
    for (std::size_t i = 0; i < raw.size(); ++i) {
        text[i] = table[static_cast<unsigned char>(raw[i])];
        if (text[i] == '\0') return std::nullopt;
    }
    return text;
}

std::string to_utf8(const icu::UnicodeString& text) {
    std::string bytes;
    return text.toUTF8String(bytes);
}

// Applies one round of a profile until it changes nothing (RFC 8264 §7).
template <class Round>
std::optional<std::string> settle(std::string_view raw, Round round) {
    icu::UnicodeString text;
    if (!precis::from_utf8(raw, text)) return std::nullopt;
    for (int i = 0; i < max_applications; ++i) {
        icu::UnicodeString before = text;
        if (!round(text)) return std::nullopt;
        if (text == before) return to_utf8(text);
    }
    return std::nullopt;
}

// RFC 8265 §3.3.
bool apply_username_case_mapped(icu::UnicodeString& text) {
    text = precis::map_width(text);
    if (!precis::is_valid(text, StringClass::identifier)) return false;
    text.toLower(icu::Locale::getRoot());
    text = precis::compose(text);
    return precis::obeys_bidi_rule(text);
}

// RFC 8265 §4.2.
bool apply_opaque_string(icu::UnicodeString& text) {
    if (!precis::is_valid(text, StringClass::freeform)) return false;
    text = precis::compose(precis::map_spaces(text));
    return true;
}

Result<std::string> bounded(std::string text, const char* complaint_if_empty, const char* complaint_if_long) {
    if (text.empty()) return malformed(complaint_if_empty);
    if (text.size() > Jid::max_part_bytes) return malformed(complaint_if_long);
    return text;
}

std::optional<std::string> opaque_string(std::string_view raw) {
    return is_ascii(raw) ? mapped(raw, resource_table) : settle(raw, apply_opaque_string);
}

// [2001:db8::1], written as inet_ntop writes it so that one address has one text.
Result<std::string> prepare_ip6(std::string_view raw) {
    if (raw.size() < 4 || raw.back() != ']') return malformed("the domain is no complete IP literal");
    const std::string inner{raw.substr(1, raw.size() - 2)};
    in6_addr address{};
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (inner.find('\0') != std::string::npos || inet_pton(AF_INET6, inner.c_str(), &address) != 1 ||
        inet_ntop(AF_INET6, &address, text.data(), text.size()) == nullptr)
        return malformed("the domain is no IPv6 address");
    return '[' + std::string{text.data()} + ']';
}

// RFC 5890 §2.3.1: letters, digits, hyphens inside; "--" in third and fourth place belongs to A-labels, which the fast
// path leaves to ICU.
bool is_plain_label(std::string_view label) noexcept {
    constexpr std::size_t max_label_bytes = 63;
    if (label.empty() || label.size() > max_label_bytes || label.front() == '-' || label.back() == '-') return false;
    return label.size() < 4 || label.substr(2, 2) != "--";
}

template <class Claim>
bool every_label(std::string_view domain, Claim claim) {
    for (;;) {
        const auto dot = domain.find('.');
        if (!claim(domain.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        domain.remove_prefix(dot + 1);
    }
}

const icu::IDNA& idna() {
    static const icu::IDNA* const instance = [] {
        UErrorCode status = U_ZERO_ERROR;
        auto* made = icu::IDNA::createUTS46Instance(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
                                                        UIDNA_CHECK_CONTEXTO | UIDNA_NONTRANSITIONAL_TO_ASCII |
                                                        UIDNA_NONTRANSITIONAL_TO_UNICODE,
                                                    status);
        if (U_FAILURE(status)) throw std::runtime_error("ICU has no IDNA data");
        return made;
    }();
    return *instance;
}

// UTS #46 lets symbols through that IDNA2008 forbids (RFC 5892); the identifier class draws the same line.
bool is_u_label(std::string_view label) {
    if (is_ascii(label)) return is_plain_label(label);
    icu::UnicodeString text;
    return precis::from_utf8(label, text) && precis::is_valid(text, StringClass::identifier);
}

void strip_final_dot(std::string& domain) {
    if (!domain.empty() && domain.back() == '.') domain.pop_back();   // RFC 7622 §3.2
}

// Already as preparation would leave it? So are nearly all that come, and then nothing has to be copied.
bool is_prepared(std::string_view part, const Table& table) noexcept {
    return part.size() <= Jid::max_part_bytes &&
           std::ranges::all_of(part, [&](char c) { return c != '\0' && table[static_cast<unsigned char>(c)] == c; });
}

bool is_prepared(std::string_view local, std::string_view domain, std::string_view resource) noexcept {
    return is_prepared(local, local_table) && is_prepared(domain, domain_table) &&
           is_prepared(resource, resource_table) && every_label(domain, is_plain_label);
}

// The domain with U-labels, or none.
std::optional<std::string> international_domain(std::string_view raw) {
    icu::UnicodeString text, unicode, ascii;
    if (!precis::from_utf8(raw, text)) return std::nullopt;
    UErrorCode status = U_ZERO_ERROR;
    icu::IDNAInfo info;
    idna().nameToUnicode(text, unicode, info, status);
    if (U_FAILURE(status) || info.hasErrors()) return std::nullopt;
    // Only the way back shows labels that DNS could not hold. A name as a whole may be longer here than there.
    icu::IDNAInfo back;
    idna().nameToASCII(unicode, ascii, back, status);
    if (U_FAILURE(status) || (back.getErrors() & ~std::uint32_t{UIDNA_ERROR_DOMAIN_NAME_TOO_LONG}) != 0)
        return std::nullopt;
    auto domain = to_utf8(unicode);
    strip_final_dot(domain);
    if (!every_label(domain, is_u_label)) return std::nullopt;
    return domain;
}

}   // namespace

Result<std::string> prepare_local(std::string_view raw) {
    if (raw.size() > max_raw_part_bytes) return malformed("the localpart is too long");
    auto text = is_ascii(raw) ? mapped(raw, local_table) : settle(raw, apply_username_case_mapped);
    // Width mapping may have made excluded characters out of harmless ones.
    if (!text || text->find_first_of(excluded_from_local) != std::string::npos)
        return malformed("the localpart has characters that no localpart may have");
    return bounded(std::move(*text), "the localpart is empty", "the localpart is too long");
}

Result<std::string> prepare_domain(std::string_view raw) {
    if (raw.empty()) return malformed("the domain is empty");
    if (raw.size() > max_raw_part_bytes) return malformed("the domain is too long");
    if (raw.front() == '[') return prepare_ip6(raw);
    if (auto plain = mapped(raw, domain_table)) {
        strip_final_dot(*plain);
        if (every_label(*plain, is_plain_label))
            return bounded(std::move(*plain), "the domain is empty", "the domain is too long");
    }
    auto domain = international_domain(raw);
    if (!domain) return malformed("the domain is no valid domain name");
    return bounded(std::move(*domain), "the domain is empty", "the domain is too long");
}

Result<std::string> prepare_resource(std::string_view raw) {
    if (raw.size() > max_raw_part_bytes) return malformed("the resource is too long");
    auto text = opaque_string(raw);
    if (!text) return malformed("the resource has characters that no resource may have");
    return bounded(std::move(*text), "the resource is empty", "the resource is too long");
}

Result<std::string> prepare_password(std::string_view raw) {
    if (raw.empty()) return fail(Condition::not_acceptable, "the password is empty");
    if (raw.size() > max_raw_part_bytes) return fail(Condition::not_acceptable, "the password is too long");
    auto text = opaque_string(raw);
    if (!text || text->empty())
        return fail(Condition::not_acceptable, "the password has characters that no password may have");
    return std::move(*text);
}

Jid::Jid(const Jid& other) noexcept : rep_(other.rep_) {
    if (rep_) rep_->acquire();
}

Jid& Jid::operator=(const Jid& other) noexcept {
    Jid copy{other};
    std::swap(rep_, copy.rep_);
    return *this;
}

Jid& Jid::operator=(Jid&& other) noexcept {
    Jid taken{std::move(other)};
    std::swap(rep_, taken.rep_);
    return *this;
}

Jid::~Jid() {
    if (rep_) rep_->release();
}

// RFC 7622 §3.1: the resource begins after the first slash, the localpart ends before the first at sign.
Result<Jid> Jid::parse(std::string_view text) {
    if (text.empty()) return malformed("the address is empty");
    std::string_view resource, local;
    if (const auto slash = text.find('/'); slash != std::string_view::npos) {
        resource = text.substr(slash + 1);
        text = text.substr(0, slash);
        if (resource.empty()) return malformed("the resource is empty");
    }
    if (const auto at = text.find('@'); at != std::string_view::npos) {
        local = text.substr(0, at);
        text.remove_prefix(at + 1);
        if (local.empty()) return malformed("the localpart is empty");
    }
    return make(local, text, resource);
}

Result<Jid> Jid::make(std::string_view local, std::string_view domain, std::string_view resource) {
    if (is_prepared(local, domain, resource)) return adopt(local, domain, resource);
    auto prepared_domain = prepare_domain(domain);
    if (!prepared_domain) return std::unexpected{std::move(prepared_domain.error())};
    Result<std::string> prepared_local, prepared_resource;
    if (!local.empty()) prepared_local = prepare_local(local);
    if (!prepared_local) return std::unexpected{std::move(prepared_local.error())};
    if (!resource.empty()) prepared_resource = prepare_resource(resource);
    if (!prepared_resource) return std::unexpected{std::move(prepared_resource.error())};
    return adopt(*prepared_local, *prepared_domain, *prepared_resource);
}

Jid Jid::adopt(std::string_view local, std::string_view domain, std::string_view resource) {
    const std::size_t bare_size = (local.empty() ? 0 : local.size() + 1) + domain.size();
    const std::size_t size = bare_size + (resource.empty() ? 0 : resource.size() + 1);
    Rep* rep = Rep::make(size);
    char* out = rep->bytes();
    const auto append = [&out](std::string_view part) { out += part.copy(out, part.size()); };
    if (!local.empty()) append(local), append("@");
    append(domain);
    if (!resource.empty()) append("/"), append(resource);
    rep->local_size = static_cast<std::uint16_t>(local.size());
    rep->bare_size = static_cast<std::uint16_t>(bare_size);
    rep->size = static_cast<std::uint16_t>(size);
    rep->bare_hash = text_hash(rep->text().substr(0, bare_size));
    rep->hash = resource.empty() ? rep->bare_hash : text_hash(rep->text());
    return Jid{rep};
}

std::string_view Jid::text() const noexcept { return rep_ ? rep_->text() : std::string_view{}; }

std::string_view Jid::local() const noexcept { return text().substr(0, rep_ ? rep_->local_size : 0); }

std::string_view Jid::domain() const noexcept {
    auto part = bare_text();
    if (rep_ && rep_->local_size > 0) part.remove_prefix(rep_->local_size + std::size_t{1});
    return part;
}

std::string_view Jid::resource() const noexcept {
    if (!rep_ || rep_->size == rep_->bare_size) return {};
    return rep_->text().substr(rep_->bare_size + std::size_t{1});
}

std::string_view Jid::bare_text() const noexcept { return text().substr(0, rep_ ? rep_->bare_size : 0); }

Jid Jid::bare() const { return is_bare() ? *this : adopt(local(), domain(), {}); }

Result<Jid> Jid::with_resource(std::string_view resource) const {
    if (empty()) return malformed("the address is empty");
    auto prepared = prepare_resource(resource);
    if (!prepared) return std::unexpected{std::move(prepared.error())};
    return adopt(local(), domain(), *prepared);
}

std::uint64_t Jid::bare_hash() const noexcept { return rep_ ? rep_->bare_hash : 0; }

std::uint64_t Jid::hash() const noexcept { return rep_ ? rep_->hash : 0; }

bool operator==(const Jid& a, const Jid& b) noexcept {
    if (a.rep_ == b.rep_) return true;
    return a.hash() == b.hash() && a.text() == b.text();
}

std::strong_ordering operator<=>(const Jid& a, const Jid& b) noexcept { return a.text() <=> b.text(); }

}   // namespace tambo
