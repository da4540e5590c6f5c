// The recipient's side: messages on their way to an account whose senders want to be told. In memory with the account;
// in a row only where the message itself is on disk and nobody has it yet.
#pragma once

#include <string>
#include <string_view>

#include <tambo/session.hpp>
#include <tambo/time.hpp>

namespace tambo::ticks {

class Watched {
public:
    /// For as long as the latest `remembered` ones of the account.
    void add(Account& account, const Jid& from, std::string_view id, Time now);
    /// Cheap where there are none.
    bool has_any(Account& account) const;
    bool has(Account& account, const Jid& from, std::string_view id) const;

    /// It is on disk: unless somebody has it, so is this.
    void accepted(Account& account, const Jid& from, std::string_view id, Time now) const;
    /// Somebody has it. Other devices may still be going to.
    void delivered(Account& account, const Jid& from, std::string_view id, Time now) const;
    /// Nobody will ever have it.
    void ended(Account& account, const Jid& from, std::string_view id) const;

    /// Whether there ever was one on this shard: while there was none, no account gets a slot.
    bool is_in_use() const noexcept { return is_in_use_; }
    void set_in_use(bool is_in_use) noexcept { is_in_use_ = is_in_use; }

    static constexpr std::size_t remembered = 256;

private:
    static constexpr std::string_view slot_name = "ticks-watched-1";
    static std::string key(const Jid& from, std::string_view id);
    static void put(Account& account, std::string_view key, std::string_view state, Time now);
    Table rows_{"ticks-watched"};
    bool is_in_use_ = false;
};

}   // namespace tambo::ticks
