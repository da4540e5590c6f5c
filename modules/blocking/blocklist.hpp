// XEP-0191 §5: whom an account has blocked, and which addresses that covers.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <tambo/jid.hpp>
#include <tambo/session.hpp>

namespace tambo::blocking {

/// True if an entry of the list stands for this address: user@domain/resource and domain/resource for themselves,
/// user@domain for all its resources, a domain for itself and everybody there.
bool covers(const Jid& entry, const Jid& who) noexcept;

/// The list of one account: a resident table. Asking costs three look-ups, one where nobody is blocked.
class Blocklist {
public:
    /// False for the account's own addresses, whatever the list says: a user cannot lose herself (§4, XEP-0016 §2).
    bool blocks(const Account& account, const Jid& who) const noexcept;
    bool has(const Account& account, const Jid& entry) const noexcept;
    std::size_t count(const Account& account) const;
    std::vector<Jid> all(const Account& account) const;

    void add(Account& account, const Jid& entry) const;
    void remove(Account& account, const Jid& entry) const;

private:
    Table entries_{"blocklist"};   ///< JID → nothing
};

}   // namespace tambo::blocking
