// What is kept of sessions that can be resumed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/store.hpp>

#include "database.hpp"

namespace tambo::sqlite {

/// The part of the store contract that is about sessions, inside somebody's transaction.
class SessionTable {
public:
    explicit SessionTable(Database& db)
        : db_(db),
          change_(db, "UPDATE session SET resource = ?, state = ? WHERE device = ? AND owner = ?"),
          put_(db, "INSERT OR REPLACE INTO session(device, owner, resource, state) VALUES(?, ?, ?, ?)"),
          put_count_(db, "INSERT OR REPLACE INTO session_count(device, accepted, acknowledged) VALUES(?, ?, ?)"),
          count_(db, "UPDATE session_count SET accepted = ?, acknowledged = ? WHERE device = ?"),
          erase_(db, "DELETE FROM session WHERE device = ?"),
          erase_count_(db, "DELETE FROM session_count WHERE device = ?"),
          read_(db,
                "SELECT device, resource, accepted, acknowledged, state FROM session JOIN session_count "
                "USING(device) WHERE owner = ? ORDER BY device"),
          owners_(db, "SELECT DISTINCT owner FROM session WHERE owner > ? ORDER BY owner LIMIT ?"),
          forget_counts_(db, "DELETE FROM session_count WHERE device IN (SELECT device FROM session WHERE owner = ?)"),
          forget_(db, "DELETE FROM session WHERE owner = ?") {}

    void put(std::string_view owner, const KeptSession& session) {
        // Mostly it is there already: then no index has to be touched.
        change_.run(std::string_view{session.resource}, Blob{session.state}, bits(session.device), owner);
        if (sqlite3_changes(db_.get()) == 0)
            put_.run(bits(session.device), owner, std::string_view{session.resource}, Blob{session.state});
        put_count_.run(bits(session.device), bits(session.accepted), bits(session.acknowledged));
    }
    void count(std::uint64_t device, std::uint64_t accepted, std::uint64_t acknowledged) {
        count_.run(bits(accepted), bits(acknowledged), bits(device));
    }
    void erase(std::uint64_t device) {
        erase_.run(bits(device));
        erase_count_.run(bits(device));
    }
    std::vector<KeptSession> of(std::string_view owner) {
        std::vector<KeptSession> found;
        read_.query(
            [&] {
                found.push_back({read_.number(0), read_.bytes(1), read_.number(2), read_.number(3), read_.bytes(4)});
            },
            owner);
        return found;
    }
    std::vector<std::string> owners(std::string_view after, std::size_t limit) {
        std::vector<std::string> found;
        owners_.query([&] { found.push_back(owners_.bytes(0)); }, after, at_most(limit));
        return found;
    }
    void forget(std::string_view owner) {
        forget_counts_.run(owner);
        forget_.run(owner);
    }

private:
    Database& db_;
    Statement change_, put_, put_count_, count_, erase_, erase_count_, read_, owners_, forget_counts_, forget_;
};

}   // namespace tambo::sqlite
