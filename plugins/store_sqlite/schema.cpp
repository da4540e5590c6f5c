#include "schema.hpp"

#include <array>
#include <cstddef>
#include <stdexcept>

#include <fmt/format.h>

namespace tambo::sqlite {

namespace {

constexpr int application_id = 0x746d626f;   // "tmbo", so that file(1) and we know our own

// What brings a file from version n to n + 1, in one transaction each. Never change a line that was released: append.
// Keys are blobs: they may hold anything, and compare as bytes. Journal entries lie in the order in which they came,
// with a narrow index of numbers: clustered by owner, each would dirty a page of its own (measured: five times slower).
// What changes with every commit (session_count) lies apart from what is long and stays (session), for the same reason.
// Numbers of 64 bits are kept as the signed ones of the same bits.
constexpr std::array migrations{
    R"(CREATE TABLE resident(owner TEXT NOT NULL, tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
                             PRIMARY KEY(owner, tbl, key)) WITHOUT ROWID;
       CREATE TABLE items(owner TEXT NOT NULL, tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
                          PRIMARY KEY(owner, tbl, key)) WITHOUT ROWID;
       CREATE INDEX items_by_table ON items(tbl, owner);
       CREATE TABLE journal_owner(number INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, count INTEGER NOT NULL,
                                  bytes INTEGER NOT NULL, last INTEGER NOT NULL);
       CREATE TABLE journal(place INTEGER PRIMARY KEY, owner INTEGER NOT NULL, seq INTEGER NOT NULL,
                            time INTEGER NOT NULL, id TEXT NOT NULL, stanza BLOB NOT NULL);
       CREATE UNIQUE INDEX journal_by_owner ON journal(owner, seq);)",
    R"(ALTER TABLE journal_owner DROP COLUMN count;
       ALTER TABLE journal_owner DROP COLUMN bytes;
       ALTER TABLE journal ADD COLUMN origin INTEGER;
       ALTER TABLE journal ADD COLUMN origin_number INTEGER;
       ALTER TABLE journal ADD COLUMN holders BLOB;
       CREATE INDEX journal_by_origin ON journal(origin, origin_number) WHERE origin IS NOT NULL;
       CREATE INDEX journal_held ON journal(owner, seq) WHERE holders IS NOT NULL;
       CREATE TABLE session(place INTEGER PRIMARY KEY, device INTEGER NOT NULL UNIQUE, owner TEXT NOT NULL,
                            resource TEXT NOT NULL, state BLOB NOT NULL);
       CREATE INDEX session_by_owner ON session(owner);
       CREATE TABLE session_count(device INTEGER PRIMARY KEY, accepted INTEGER NOT NULL,
                                  acknowledged INTEGER NOT NULL);)",
};
constexpr int known_version = static_cast<int>(migrations.size());

}   // namespace

void recognise(Database& db) {
    const auto version = ask_number(db, "PRAGMA user_version");
    const auto program = ask_number(db, "PRAGMA application_id");
    const bool is_new = version == 0 && program == 0 && ask_number(db, "SELECT count(*) FROM sqlite_schema") == 0;
    if (is_new) return;
    if (program != application_id || version < 1)
        throw std::runtime_error{
            fmt::format("{}: is a database of another program; nothing was changed. Name another file "
                        "in [module store_sqlite] file",
                        db.file())};
    if (version > known_version)
        throw std::runtime_error{
            fmt::format("{}: was written by a newer tambo (schema {}, this one knows {}); nothing was "
                        "changed. Run the newer version, or put a backup of the older one in its place",
                        db.file(), version, known_version)};
}

void migrate(Database& db) {
    for (auto version = ask_number(db, "PRAGMA user_version"); version < known_version;
         version = ask_number(db, "PRAGMA user_version")) {
        db.execute("BEGIN EXCLUSIVE");
        try {
            // Asked again under the lock: another server in this folder may have been quicker.
            if (ask_number(db, "PRAGMA user_version") == version) {
                db.execute(migrations[static_cast<std::size_t>(version)]);
                db.execute(fmt::format("PRAGMA application_id = {}", application_id));
                db.execute(fmt::format("PRAGMA user_version = {}", version + 1));
            }
            db.execute("COMMIT");
        } catch (...) {
            if (db.is_in_transaction()) sqlite3_exec(db.get(), "ROLLBACK", nullptr, nullptr, nullptr);
            throw;
        }
    }
}

}   // namespace tambo::sqlite
