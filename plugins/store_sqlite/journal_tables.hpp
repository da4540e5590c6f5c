// The journals of all accounts.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/store.hpp>

#include "database.hpp"

namespace tambo::sqlite {

/// The part of the store contract that is about journals, inside somebody's transaction: settle() belongs before its
/// commit, and start_over() between it and the next one, whether it was committed or not.
class JournalTables {
public:
    explicit JournalTables(Database& db);

    void settle();
    void start_over() noexcept { owners_.clear(); }

    void append(std::string_view owner, const JournalEntry& entry);
    std::vector<JournalEntry> read(std::string_view owner, std::uint64_t after, std::size_t limit);
    void hold(std::string_view owner, std::uint64_t sequence, std::span<const Holder> holders);
    void erase(std::string_view owner, std::span<const std::uint64_t> sequences);
    JournalState state(std::string_view owner);
    std::vector<JournalEntry> held(std::string_view owner);
    std::vector<JournalEntry> sent(std::uint64_t device, std::uint64_t after);
    void forget(std::string_view owner);
    /// Who has entries, behind `after`; in the order in which they had their first.
    std::vector<std::string> owners(std::string_view after, std::size_t limit);

private:
    struct Owner {
        std::int64_t number = 0;            // 0: has no journal yet
        std::uint64_t last = 0;             // sequence; or that of an entry that is still there, if higher
        std::uint64_t highest_erased = 0;   // in this transaction
    };

    Owner& find(std::string_view owner);
    template <class... A>
    std::vector<JournalEntry> entries(Statement& statement, const A&... values);

    Database& db_;
    Statement append_, read_, hold_, erase_, sum_, held_, sent_, forget_entries_, find_owner_, add_owner_, write_last_,
        forget_owner_, owners_with_entries_;
    std::map<std::string, Owner, std::less<>> owners_;   // of this transaction
};

}   // namespace tambo::sqlite
