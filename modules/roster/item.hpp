// RFC 6121 §2.1.2: one contact in a roster, on the wire and in the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/jid.hpp>
#include <tambo/result.hpp>
#include <tambo/xml.hpp>

#include "subscription.hpp"

namespace tambo::roster {

inline constexpr std::string_view ns_roster = "jabber:iq:roster";
inline constexpr std::size_t max_name_bytes = 1023;
inline constexpr std::size_t max_group_bytes = 1023;

/// What a user keeps about a contact. The contact's bare JID is the key of the row, and `state.in` is kept elsewhere:
/// a request that waits does not make a roster item.
struct Item {
    State state = {};
    std::string name = {};
    std::vector<std::string> groups = {};
    std::uint64_t changed = 0;   ///< the roster version that this change made (§2.6)

    friend bool operator==(const Item&, const Item&) = default;
};

/// The row's value: a few bytes of flags and numbers, then the texts with their lengths.
std::string encode(const Item& item);
/// nullopt if these are not bytes that encode() wrote.
std::optional<Item> decode(std::string_view row);
/// True if the row is of a contact who has not answered yet; looks at two bytes only.
bool asks(std::string_view row) noexcept;

/// Writes `<item jid=…/>` into the query that is open.
void write(Writer& query, std::string_view contact, const Item& item);
/// What a push says about a contact that is gone (§2.5.2).
void write_removed(Writer& query, std::string_view contact);

/// What a client wants of one contact (§2.3, §2.5).
struct Wish {
    Jid contact;   ///< bare
    bool removal = false;
    std::string name = {};
    std::vector<std::string> groups = {};
};

/// Reads a roster set, with the errors of §2.3.3. What clients may not decide (ask, approved, any subscription but
/// "remove") is not looked at (§2.1.2).
Result<Wish> read_wish(Element query, std::size_t max_groups);

/// Reads an item that a server wrote about one of its users (XEP-0227 §4.3): here the subscription counts. What does
/// not fit is left out; nullopt if there is no contact in it.
std::optional<std::pair<Jid, Item>> read_exported(Element item, std::size_t max_groups);

}   // namespace tambo::roster
