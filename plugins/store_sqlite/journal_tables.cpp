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
      find_(db, "SELECT place, length(stanza) FROM journal WHERE owner = ? AND seq = ?"),
      erase_(db, "DELETE FROM journal WHERE place = ?"),
      held_(db,
            fmt::format("{} INDEXED BY journal_held WHERE owner = ? AND holders IS NOT NULL ORDER BY seq", columns)),
      sent_(db, fmt::format("{} INDEXED BY journal_by_origin WHERE origin = ? AND origin_number > ? "
                            "ORDER BY origin_number",
                            columns)),
      forget_entries_(db, "DELETE FROM journal WHERE owner = ?"),
      read_state_(db, "SELECT number, count, bytes, last FROM journal_owner WHERE owner = ?"),
      add_owner_(db, "INSERT INTO journal_owner(owner, count, bytes, last) VALUES(?, 0, 0, 0)"),
      // Not computed from the journal: the last sequence is known even when all entries are gone.
      write_state_(db, "UPDATE journal_owner SET count = ?, bytes = ?, last = ? WHERE number = ?"),
      forget_state_(db, "DELETE FROM journal_owner WHERE owner = ?") {}

/// Read once for each transaction and written once at its end, however many entries come and go.
JournalTables::Cached& JournalTables::find(std::string_view owner) {
    if (const auto known = states_.find(owner); known != states_.end()) return known->second;
    Cached read;
    read_state_.query(
        [&] {
            read.number = read_state_.integer(0);
            read.state = {read_state_.number(1), read_state_.number(2), read_state_.number(3)};
        },
        owner);
    return states_.emplace(owner, read).first->second;
}

std::int64_t JournalTables::number_owner(std::string_view owner) {
    add_owner_.run(owner);
    return sqlite3_last_insert_rowid(db_.get());
}

void JournalTables::settle() {
    for (auto& [owner, cached] : states_)
        if (std::exchange(cached.is_changed, false))
            write_state_.run(at_most(cached.state.count), at_most(cached.state.bytes),
                             at_most(cached.state.last_sequence), cached.number);
}

void JournalTables::append(std::string_view owner, const JournalEntry& entry) {
    auto& cached = find(owner);
    auto& state = cached.state;
    if (entry.sequence <= state.last_sequence)
        throw std::logic_error{
            fmt::format("journal of {}: sequence {} behind {}", owner, entry.sequence, state.last_sequence)};
    if (cached.number == 0) cached.number = number_owner(owner);
    const bool has_origin = entry.origin != 0;
    append_.run(cached.number, at_most(entry.sequence), std::int64_t{entry.time.time_since_epoch().count()},
                std::string_view{entry.id}, Blob{entry.stanza}, Unless{!has_origin, bits(entry.origin)},
                Unless{!has_origin, at_most(entry.origin_number)},
                Unless{entry.holders.empty(), Blob{pack(entry.holders)}});
    state = {state.count + 1, state.bytes + entry.stanza.size(), entry.sequence};
    cached.is_changed = true;
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
    auto& cached = find(owner);
    auto& [count, bytes, last] = cached.state;
    for (const auto sequence : sequences) {
        std::int64_t place = 0;
        std::uint64_t size = 0;
        find_.query(
            [&] {
                place = find_.integer(0);
                size = find_.number(1);
            },
            cached.number, at_most(sequence));
        if (place == 0) continue;
        erase_.run(place);
        count -= std::min<std::uint64_t>(count, 1);
        bytes -= std::min(bytes, size);
        cached.is_changed = true;
    }
}

std::vector<JournalEntry> JournalTables::held(std::string_view owner) { return entries(held_, find(owner).number); }

std::vector<JournalEntry> JournalTables::sent(std::uint64_t device, std::uint64_t after) {
    return entries(sent_, bits(device), at_most(after));
}

void JournalTables::forget(std::string_view owner) {
    forget_entries_.run(find(owner).number);
    forget_state_.run(owner);
    states_.erase(states_.find(owner));
}

}   // namespace tambo::sqlite
