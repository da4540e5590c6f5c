#include "journal_tables.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace tambo::sqlite {

namespace {

constexpr auto columns = "SELECT seq, time, id, stanza, origin, origin_number, holders FROM journal";

// A holder is 16 bytes: device and number, lowest byte first.
constexpr std::size_t number_bytes = 8, holder_bytes = 2 * number_bytes;

void pack(std::uint64_t n, std::string& out) {
    for (std::size_t i = 0; i < number_bytes; ++i) out.push_back(static_cast<char>(n >> (8 * i) & 0xff));
}

std::uint64_t unpack(std::string_view bytes) {
    std::uint64_t n = 0;
    for (std::size_t i = number_bytes; i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes[i]);
    return n;
}

std::string pack(std::span<const Holder> holders) {
    std::string out;
    out.reserve(holders.size() * holder_bytes);
    for (const auto& [device, number] : holders) {
        pack(device, out);
        pack(number, out);
    }
    return out;
}

std::vector<Holder> holders_in(std::string_view bytes) {
    std::vector<Holder> holders;
    for (; bytes.size() >= holder_bytes; bytes.remove_prefix(holder_bytes))
        holders.push_back({unpack(bytes), unpack(bytes.substr(number_bytes))});
    return holders;
}

}   // namespace

JournalTables::JournalTables(Database& db)
    : db_(db),
      append_(db,
              "INSERT INTO journal(owner, seq, time, id, stanza, origin, origin_number, holders) "
              "VALUES(?, ?, ?, ?, ?, ?, ?, ?)"),
      read_(db, fmt::format("{} WHERE owner = ? AND seq > ? ORDER BY seq LIMIT ?", columns)),
      hold_(db, "UPDATE journal SET holders = ? WHERE owner = ? AND seq = ?"),
      erase_(db, "DELETE FROM journal WHERE owner = ? AND seq = ?"),
      sum_(db, "SELECT count(*), coalesce(sum(length(stanza)), 0), coalesce(max(seq), 0) FROM journal WHERE owner = ?"),
      held_(db,
            fmt::format("{} INDEXED BY journal_held WHERE owner = ? AND holders IS NOT NULL ORDER BY seq", columns)),
      sent_(db, fmt::format("{} INDEXED BY journal_by_origin WHERE origin = ? AND origin_number > ? "
                            "ORDER BY origin_number",
                            columns)),
      forget_entries_(db, "DELETE FROM journal WHERE owner = ?"),
      find_owner_(db, "SELECT number, last FROM journal_owner WHERE owner = ?"),
      add_owner_(db, "INSERT INTO journal_owner(owner, last) VALUES(?, 0)"),
      write_last_(db, "UPDATE journal_owner SET last = ? WHERE number = ?"),
      forget_owner_(db, "DELETE FROM journal_owner WHERE owner = ?"),
      // From one owner with entries to the next by the index: what it costs does not depend on who has none.
      owners_with_entries_(db,
                           "WITH RECURSIVE busy(number) AS ("
                           "SELECT min(owner) FROM journal WHERE owner > "
                           "coalesce((SELECT number FROM journal_owner WHERE owner = ?), 0) "
                           "UNION ALL SELECT (SELECT min(owner) FROM journal WHERE owner > busy.number) FROM busy "
                           "WHERE busy.number IS NOT NULL LIMIT ?) "
                           "SELECT journal_owner.owner FROM busy JOIN journal_owner USING(number) ORDER BY number") {}

/// Read once for each transaction, however many entries come and go.
JournalTables::Owner& JournalTables::find(std::string_view owner) {
    if (const auto known = owners_.find(owner); known != owners_.end()) return known->second;
    Owner found;
    find_owner_.query(
        [&] {
            found.number = find_owner_.integer(0);
            found.last = find_owner_.number(1);
        },
        owner);
    return owners_.emplace(owner, found).first->second;
}

// As long as an entry is there its sequence is known; it is written down only when it goes.
void JournalTables::settle() {
    for (auto& [name, owner] : owners_)
        if (owner.highest_erased > owner.last) {
            owner.last = owner.highest_erased;
            write_last_.run(at_most(owner.last), owner.number);
        }
}

void JournalTables::append(std::string_view owner, const JournalEntry& entry) {
    auto& number = find(owner).number;
    if (number == 0) {
        add_owner_.run(owner);
        number = sqlite3_last_insert_rowid(db_.get());
    }
    const bool has_origin = entry.origin != 0;
    append_.run(number, at_most(entry.sequence), std::int64_t{entry.time.time_since_epoch().count()},
                std::string_view{entry.id}, Blob{entry.stanza}, Unless{!has_origin, bits(entry.origin)},
                Unless{!has_origin, at_most(entry.origin_number)},
                Unless{entry.holders.empty(), Blob{pack(entry.holders)}});
}

template <class... A>
std::vector<JournalEntry> JournalTables::entries(Statement& statement, const A&... values) {
    std::vector<JournalEntry> found;
    statement.query(
        [&] {
            found.push_back({statement.number(0), Time{Time::duration{statement.integer(1)}}, statement.bytes(2),
                             statement.bytes(3), statement.number(4), statement.number(5),
                             holders_in(statement.bytes(6))});
        },
        values...);
    return found;
}

std::vector<JournalEntry> JournalTables::read(std::string_view owner, std::uint64_t after, std::size_t limit) {
    return entries(read_, find(owner).number, at_most(after), at_most(limit));
}

void JournalTables::hold(std::string_view owner, std::uint64_t sequence, std::span<const Holder> holders) {
    hold_.run(Unless{holders.empty(), Blob{pack(holders)}}, find(owner).number, at_most(sequence));
}

void JournalTables::erase(std::string_view owner, std::span<const std::uint64_t> sequences) {
    auto& [number, last, highest_erased] = find(owner);
    for (const auto sequence : sequences) {
        erase_.run(number, at_most(sequence));
        if (sqlite3_changes(db_.get()) > 0) highest_erased = std::max(highest_erased, sequence);
    }
}

JournalState JournalTables::state(std::string_view owner) {
    const auto& [number, last, highest_erased] = find(owner);
    JournalState state{.last_sequence = std::max(last, highest_erased)};
    sum_.query(
        [&] {
            state.count = sum_.number(0);
            state.bytes = sum_.number(1);
            state.last_sequence = std::max(state.last_sequence, sum_.number(2));
        },
        number);
    return state;
}

std::vector<JournalEntry> JournalTables::held(std::string_view owner) { return entries(held_, find(owner).number); }

std::vector<JournalEntry> JournalTables::sent(std::uint64_t device, std::uint64_t after) {
    return entries(sent_, bits(device), at_most(after));
}

void JournalTables::forget(std::string_view owner) {
    forget_entries_.run(find(owner).number);
    forget_owner_.run(owner);
    owners_.erase(owners_.find(owner));
}

std::vector<std::string> JournalTables::owners(std::string_view after, std::size_t limit) {
    std::vector<std::string> found;
    owners_with_entries_.query([&] { found.push_back(owners_with_entries_.bytes(0)); }, after, at_most(limit));
    return found;
}

}   // namespace tambo::sqlite
