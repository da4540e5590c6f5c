// The sender's side, in rows of the sender's account: who asked for ticks, what may be told, and the records.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include <tambo/session.hpp>

#include "record.hpp"

namespace tambo::ticks {

class Ledger {
public:
    // --- wishes
    /// When this user last asked for ticks; nothing, if never, or not any more.
    std::optional<Time> asked(const Account& account) const;
    void ask(Account& account, Time now) const { set(account, key_asked, std::to_string(count(now))); }
    /// … and never mind: nothing is left.
    void forget(Account& account) const;
    /// What this user lets others know, and hence gets to know.
    std::optional<Show> show(const Account& account) const;
    void set_show(Account& account, Show show) const { set(account, key_show, std::string{name_of(show)}); }

    // --- records
    std::optional<Record> find(const Account& account, std::string_view with, std::string_view id) const;
    /// A new one, or a change. Beyond `most`, the oldest ones go.
    void put(Account& account, const Record& record, std::size_t most) const;
    /// Those that `wanted(key)` names, by the time when they were sent.
    template <class F>
    std::vector<Record> select(const Account& account, F wanted) const {
        std::vector<Record> found;
        records_.each(account, [&](std::string_view key, const std::string& value) {
            if (!wanted(key)) return;
            if (auto record = decode(key, value)) found.push_back(std::move(*record));
        });
        sort(found);
        return found;
    }
    /// Takes out those that were sent before that.
    void prune(Account& account, Time before) const;
    bool has_any(const Account& account) const { return size(account) > 0; }

private:
    static constexpr std::string_view key_asked = "asked", key_show = "show";

    /// How many there are, counted once for each time that the account is in memory.
    struct Tally {
        static constexpr int version = 1;
        std::uint32_t records = 0;
        bool is_counted = false;
    };

    static void sort(std::vector<Record>& records);
    void set(Account& account, std::string_view key, std::string value) const;
    std::size_t size(const Account& account) const;
    std::uint32_t& tally(Account& account) const;
    void make_room(Account& account, std::size_t most) const;
    void erase(Account& account, const std::vector<Record>& going) const;

    Table records_{"ticks"};
    Table wishes_{"ticks-wishes"};
    Slot<Tally> tallies_{"ticks-tally"};
};

}   // namespace tambo::ticks
