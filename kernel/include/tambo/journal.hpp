// The journal: messages that must not be lost, one log for each account.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <tambo/session.hpp>
#include <tambo/store.hpp>

namespace tambo {

/// The kernel's promise about waiting messages: order, ids, and "committed before confirmed". What is kept, for how
/// long and how much is a module's policy. Used on the account's home shard.
class TAMBO_API Journal {
public:
    /// Messages waiting for this account, known without asking the store.
    virtual std::uint64_t count(const Account& account) const noexcept = 0;
    virtual std::uint64_t bytes(const Account& account) const noexcept = 0;

    /// Keeps a message. In order with everything asked before; counted at once, on disk when the answer comes.
    virtual Later<Result<std::uint64_t>> append(Account& account, const Stanza& message, Time accepted,
                                                std::string id) = 0;
    /// What waits behind `after`, oldest first. Sees every append asked for before.
    virtual Later<Result<std::vector<JournalEntry>>> read(Account& account, std::uint64_t after, std::size_t limit) = 0;
    /// These were handed over: all entries up to and including `up_to` go.
    virtual Later<Result<Nothing>> erase(Account& account, std::uint64_t up_to, std::uint64_t entries,
                                         std::uint64_t bytes) = 0;

protected:
    ~Journal() = default;
};

}   // namespace tambo
