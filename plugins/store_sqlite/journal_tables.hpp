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
    void start_over() noexcept { states_.clear(); }

    void append(std::string_view owner, const JournalEntry& entry);
    std::vector<JournalEntry> read(std::string_view owner, std::uint64_t after, std::size_t limit);
    void hold(std::string_view owner, std::uint64_t sequence, std::span<const Holder> holders);
    void erase(std::string_view owner, std::span<const std::uint64_t> sequences);
    JournalState state(std::string_view owner) { return find(owner).state; }
    std::vector<JournalEntry> held(std::string_view owner);
    std::vector<JournalEntry> sent(std::uint64_t device, std::uint64_t after);
    void forget(std::string_view owner);

private:
    struct Cached {
        std::int64_t number = 0;   // of the owner in the journal; 0: none yet
        JournalState state{};
        bool is_changed = false;
    };

    Cached& find(std::string_view owner);
    std::int64_t number_owner(std::string_view owner);
    template <class... A>
    std::vector<JournalEntry> entries(Statement& statement, const A&... values);

    Database& db_;
    Statement append_, read_, hold_, find_, erase_, held_, sent_, forget_entries_, read_state_, add_owner_,
        write_state_, forget_state_;
    std::map<std::string, Cached, std::less<>> states_;   // of this transaction
};

}   // namespace tambo::sqlite
