// Addresses: RFC 7622 (PRECIS profiles UsernameCaseMapped and OpaqueString, IDNA2008 domains).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <tambo/export.hpp>
#include <tambo/result.hpp>

namespace tambo {

/// localpart@domainpart/resourcepart, prepared and immutable.
///
/// A handle of one pointer: copying costs one atomic increment, comparing mostly a pointer comparison. Any thread may
/// hold and copy it. A default-made Jid is empty: it stands for an absent attribute.
class TAMBO_API Jid {
public:
    static constexpr std::size_t max_part_bytes = 1023;   ///< RFC 7622 §3.1, for each part

    Jid() noexcept = default;
    Jid(const Jid&) noexcept;
    Jid(Jid&& other) noexcept : rep_(other.rep_) { other.rep_ = nullptr; }
    Jid& operator=(const Jid&) noexcept;
    Jid& operator=(Jid&&) noexcept;
    ~Jid();

    /// Prepares and checks all three parts; Condition::jid_malformed with a reason otherwise.
    static Result<Jid> parse(std::string_view text);
    /// From parts that came separately (SASL user names, resource requests); empty local or resource are left out.
    static Result<Jid> make(std::string_view local, std::string_view domain, std::string_view resource = {});

    std::string_view text() const noexcept;   ///< the whole prepared address; empty for an empty Jid
    std::string_view local() const noexcept;
    std::string_view domain() const noexcept;
    std::string_view resource() const noexcept;
    std::string_view bare_text() const noexcept;   ///< text() up to the resource

    Jid bare() const;   ///< without resource; cheap when there is none
    Result<Jid> with_resource(std::string_view resource) const;

    bool empty() const noexcept { return rep_ == nullptr; }
    bool is_bare() const noexcept { return resource().empty(); }   ///< true for a bare JID and for a domain
    bool is_full() const noexcept { return !resource().empty(); }
    bool is_domain() const noexcept { return !empty() && local().empty() && resource().empty(); }

    std::uint64_t bare_hash() const noexcept;   ///< of bare_text(): names the home shard
    std::uint64_t hash() const noexcept;

    friend TAMBO_API bool operator==(const Jid&, const Jid&) noexcept;
    friend TAMBO_API std::strong_ordering operator<=>(const Jid&, const Jid&) noexcept;

private:
    struct Rep;
    explicit Jid(Rep* rep) noexcept : rep_(rep) {}
    static Jid adopt(std::string_view local, std::string_view domain, std::string_view resource);
    Rep* rep_ = nullptr;   // counted
};

/// The three preparations by themselves, for names that are not yet an address.
TAMBO_API Result<std::string> prepare_local(std::string_view);      // RFC 7622 §3.3
TAMBO_API Result<std::string> prepare_domain(std::string_view);     // RFC 7622 §3.2
TAMBO_API Result<std::string> prepare_resource(std::string_view);   // RFC 7622 §3.4
/// RFC 8265 §4.2 OpaqueString, for passwords.
TAMBO_API Result<std::string> prepare_password(std::string_view);

}   // namespace tambo

template <>
struct std::hash<tambo::Jid> {
    std::size_t operator()(const tambo::Jid& jid) const noexcept { return jid.hash(); }
};
