#include "outbox.hpp"

#include <stdexcept>
#include <sys/stat.h>

#include <sqlite3.h>

namespace tambo::funxmpp {

class Outbox::Statement {
public:
    Statement(Outbox& outbox, const char* sql) : outbox_(outbox) {
        if (sqlite3_prepare_v2(outbox.database_.get(), sql, -1, &statement_, nullptr) != SQLITE_OK) outbox.fail(sql);
    }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    Statement& bind(std::int64_t number) {
        if (sqlite3_bind_int64(statement_, ++bound_, number) != SQLITE_OK) outbox_.fail("bind");
        return *this;
    }
    Statement& bind(const std::string& text) {   // `text` outlives the statement
        if (sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8) !=
            SQLITE_OK)
            outbox_.fail("bind");
        return *this;
    }
    bool step() {
        const int code = sqlite3_step(statement_);
        if (code != SQLITE_ROW && code != SQLITE_DONE) outbox_.fail(sqlite3_sql(statement_));
        return code == SQLITE_ROW;
    }
    std::int64_t number(int column) const noexcept { return sqlite3_column_int64(statement_, column); }
    std::string text(int column) const {
        const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
        return size > 0 ? std::string{bytes, size} : std::string{};
    }

private:
    Outbox& outbox_;
    sqlite3_stmt* statement_ = nullptr;
    int bound_ = 0;
};

void Outbox::Close::operator()(sqlite3* database) const noexcept { sqlite3_close(database); }

Outbox::Outbox(const std::string& file, const Bounds& bounds) : bounds_(bounds) {
    const auto others = ::umask(077);   // messages are in it
    sqlite3* database = nullptr;
    const int code = sqlite3_open(file.c_str(), &database);
    ::umask(others);
    database_.reset(database);
    if (code != SQLITE_OK) fail(file.c_str());
    // Whoever else opened it would send everything a second time.
    execute("PRAGMA locking_mode = EXCLUSIVE");
    execute("PRAGMA journal_mode = WAL");
    execute("PRAGMA synchronous = NORMAL");
    execute(
        "CREATE TABLE IF NOT EXISTS sitting (id INTEGER PRIMARY KEY AUTOINCREMENT, resource TEXT NOT NULL,"
        " sm_id TEXT NOT NULL DEFAULT '', heard INTEGER NOT NULL DEFAULT 0, handled INTEGER NOT NULL DEFAULT 0)");
    execute(
        "CREATE TABLE IF NOT EXISTS stanza (sitting INTEGER NOT NULL, number INTEGER NOT NULL, xml TEXT NOT NULL,"
        " PRIMARY KEY (sitting, number)) WITHOUT ROWID");
    measure();
}

Outbox::~Outbox() = default;

void Outbox::measure() {
    Statement all{*this, "SELECT count(*), coalesce(sum(length(CAST(xml AS BLOB))), 0) FROM stanza"};
    all.step();
    stanzas_ = static_cast<std::uint64_t>(all.number(0));
    bytes_ = static_cast<std::uint64_t>(all.number(1));
}

Sitting Outbox::sit_down(const std::string& resource) {
    Statement{*this, "INSERT INTO sitting (resource) VALUES (?)"}.bind(resource).step();
    Sitting sitting;
    sitting.id = sqlite3_last_insert_rowid(database_.get());
    sitting.resource = resource;
    return sitting;
}

std::vector<Sitting> Outbox::sittings() {
    std::vector<Sitting> all;
    Statement each{*this, "SELECT id, resource, sm_id, heard, handled FROM sitting ORDER BY id"};
    while (each.step())
        all.push_back({.id = each.number(0),
                       .resource = each.text(1),
                       .sm_id = each.text(2),
                       .heard = static_cast<std::uint32_t>(each.number(3)),
                       .handled = static_cast<std::uint32_t>(each.number(4))});
    return all;
}

void Outbox::note(const Sitting& sitting) {
    Statement{*this, "UPDATE sitting SET resource = ?, sm_id = ?, heard = ?, handled = ? WHERE id = ?"}
        .bind(sitting.resource)
        .bind(sitting.sm_id)
        .bind(sitting.heard)
        .bind(sitting.handled)
        .bind(sitting.id)
        .step();
}

void Outbox::leave(std::int64_t sitting) {
    execute("BEGIN");
    Statement{*this, "DELETE FROM stanza WHERE sitting = ?"}.bind(sitting).step();
    Statement{*this, "DELETE FROM sitting WHERE id = ?"}.bind(sitting).step();
    execute("COMMIT");
    measure();
}

bool Outbox::add(std::int64_t sitting, const std::string& stanza) {
    if (stanzas_ >= bounds_.stanzas || bytes_ + stanza.size() > bounds_.bytes) return false;
    execute("PRAGMA synchronous = FULL");
    Statement{*this, "INSERT INTO stanza SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM stanza WHERE sitting = ?1"}
        .bind(sitting)
        .bind(stanza)
        .step();
    execute("PRAGMA synchronous = NORMAL");
    ++stanzas_;
    bytes_ += stanza.size();
    return true;
}

void Outbox::add_first(std::int64_t sitting, const std::vector<std::string>& stanzas) {
    execute("BEGIN");
    for (auto stanza = stanzas.rbegin(); stanza != stanzas.rend(); ++stanza)
        Statement{*this,
                  "INSERT INTO stanza SELECT ?1, coalesce(min(number), 1) - 1, ?2 FROM stanza WHERE sitting = ?1"}
            .bind(sitting)
            .bind(*stanza)
            .step();
    execute("COMMIT");
    measure();
}

std::vector<std::string> Outbox::read(std::int64_t sitting, std::uint64_t skipped, std::uint64_t most) {
    std::vector<std::string> stanzas;
    Statement each{*this, "SELECT xml FROM stanza WHERE sitting = ? ORDER BY number LIMIT ? OFFSET ?"};
    each.bind(sitting).bind(static_cast<std::int64_t>(most)).bind(static_cast<std::int64_t>(skipped));
    while (each.step()) stanzas.push_back(each.text(0));
    return stanzas;
}

std::uint64_t Outbox::count(std::int64_t sitting) {
    Statement some{*this, "SELECT count(*) FROM stanza WHERE sitting = ?"};
    some.bind(sitting).step();
    return static_cast<std::uint64_t>(some.number(0));
}

void Outbox::acknowledge(Sitting& sitting, std::uint32_t count, std::uint32_t heard) {
    sitting.heard = heard;
    execute("BEGIN");
    {
        Statement gone{*this,
                       "DELETE FROM stanza WHERE sitting = ?1 AND number IN"
                       " (SELECT number FROM stanza WHERE sitting = ?1 ORDER BY number LIMIT ?2)"
                       " RETURNING length(CAST(xml AS BLOB))"};
        gone.bind(sitting.id).bind(count);
        while (gone.step()) {
            --stanzas_;
            bytes_ -= static_cast<std::uint64_t>(gone.number(0));
        }
    }
    note(sitting);
    execute("COMMIT");
}

void Outbox::execute(const char* sql) {
    if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(sql);
}

void Outbox::fail(const char* what) const {
    throw std::runtime_error{std::string{"the outbox: "} + sqlite3_errmsg(database_.get()) + " (" + what + ")"};
}

}   // namespace tambo::funxmpp
