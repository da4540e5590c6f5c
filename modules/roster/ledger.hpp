// Where a roster lives: the account's resident tables, with the versions of RFC 6121 §2.6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/jid.hpp>
#include <tambo/session.hpp>
#include <tambo/stanza.hpp>

#include "item.hpp"

namespace tambo::roster {

/// What a contact is to an account.
struct Standing {
    Item item;                ///< with `state.in` filled in
    bool is_listed = false;   ///< in the roster; a request alone is not
};

/// A change that a client may have missed: a contact that has this item now, or none.
struct Change {
    std::uint64_t version;
    std::string contact;
    std::optional<Item> item;
    std::string name = {};   ///< of the version, as the `ver` attribute says it
};

/// Reads and writes one account's roster. Keeps nothing itself; every write goes through to the store, and the contacts
/// that the kernel knows (Account::contacts) follow.
class Ledger {
public:
    /// Tells the kernel whom a freshly loaded account has as contacts. Returns the number of rows nobody can read.
    std::size_t announce(Account& account) const;

    Standing look(const Account& account, const Jid& contact) const;
    std::size_t count(const Account& account) const;
    void each(const Account& account, const std::function<void(std::string_view contact, const Item&)>& see) const;

    /// Keeps the item under a new version.
    void put(Account& account, const Jid& contact, Item item) const;
    /// Forgets the item under a new version, and the request with it.
    void remove(Account& account, const Jid& contact) const;

    /// Contacts whom the user asked and who have not answered.
    std::vector<Jid> unanswered(const Account& account) const;

    /// The subscription requests that wait for the user (§3.1.3), one per contact, as whole stanzas.
    std::size_t count_requests(const Account& account) const;
    void put_request(Account& account, const Jid& contact, const Stanza& request) const;
    void erase_request(Account& account, const Jid& contact) const;
    std::vector<Stanza> requests(const Account& account) const;

    /// What the `ver` attribute says now.
    std::string version(const Account& account) const;
    /// What came after `version`, oldest first; nullopt if that is not known any more (or never was).
    std::optional<std::vector<Change>> changes_since(const Account& account, std::string_view version) const;

private:
    std::uint64_t next_version(Account& account) const;
    void bury(Account& account, std::string_view contact, std::uint64_t version) const;

    Table items_{"roster"};               ///< bare JID → item
    Table requests_{"roster-requests"};   ///< bare JID → stanza
    Table versions_{"roster-version"};    ///< "" → epoch, counter, floor
    Table removed_{"roster-removed"};     ///< bare JID → version of the removal
};

}   // namespace tambo::roster
