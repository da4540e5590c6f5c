#include "driver.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "database.hpp"

namespace tambo::sqlite {

namespace {

constexpr int application_id = 0x746d626f;   // "tmbo", so that file(1) and we know our own

// What brings a file from version n to n + 1, in one transaction each. Never change a line that was released: append.
// Keys are blobs: they may hold anything, and compare as bytes. Journal entries lie in the order in which they came,
// with a narrow index of numbers: clustered by owner, each would dirty a page of its own (measured: five times slower).
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
};
constexpr int known_version = static_cast<int>(migrations.size());

std::int64_t to_integer(std::uint64_t n) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    return n > static_cast<std::uint64_t>(most) ? most : static_cast<std::int64_t>(n);
}

/// Makes the file with the right mode. An existing one is not even opened here: closing it would drop the locks that
/// another connection of this process holds on it (POSIX record locks; sqlite.org/howtocorrupt.html §2.2).
void make_file(const std::filesystem::path& file) {
    std::error_code error;
    const auto folder = file.parent_path();
    if (!folder.empty() && !std::filesystem::exists(folder, error)) {
        std::filesystem::create_directories(folder.parent_path(), error);
        if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
            throw std::runtime_error{fmt::format("{}: cannot be made: {}; make it, owned by the user that runs tambod",
                                                 folder.string(), std::generic_category().message(errno))};
    }
    const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made >= 0)
        ::close(made);
    else if (errno != EEXIST)
        throw std::runtime_error{
            fmt::format("{}: cannot be made: {}; its folder must belong to the user that runs tambod", file.string(),
                        std::generic_category().message(errno))};
}

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

namespace {

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

void quick_check(Database& db) {
    const auto verdict = ask_text(db, "PRAGMA quick_check(1)");
    if (verdict != "ok")
        throw std::runtime_error{
            fmt::format("{}: is damaged ({}); nothing was changed. Put a backup in its place, or save "
                        "what can be saved with \"sqlite3 FILE .recover\"",
                        db.file(), verdict)};
}

void configure(Database& db, const Settings& settings) {
    if (db.is_read_only()) throw std::runtime_error{db.explain(SQLITE_READONLY)};
    if (const auto mode = ask_text(db, "PRAGMA journal_mode = WAL"); mode != "wal")
        throw std::runtime_error{
            fmt::format("{}: its file system allows no write-ahead log (journal mode is \"{}\"); put it "
                        "on a local disk",
                        db.file(), mode)};
    constexpr std::array names{"OFF", "NORMAL", "FULL"};
    db.execute(fmt::format("PRAGMA synchronous = {}", names[static_cast<std::size_t>(settings.synchronous)]));
    const auto cache_kib = std::clamp<std::uint64_t>(settings.cache_bytes / 1024, 64, std::uint64_t{1} << 30);
    db.execute(fmt::format("PRAGMA cache_size = -{}", cache_kib));
    db.execute("PRAGMA temp_store = MEMORY");
    db.execute("PRAGMA wal_autocheckpoint = 4000");       // a page that changes often is copied back less often
    db.execute("PRAGMA journal_size_limit = 67108864");   // what a flood made of the log goes back to the disk
    db.execute("PRAGMA cell_size_check = ON");
}

/// The statements on one of the two tables of rows.
struct RowTable {
    RowTable(Database& db, std::string_view name)
        : get(db, fmt::format("SELECT value FROM {} WHERE owner = ? AND tbl = ? AND key = ?", name)),
          put(db, fmt::format("INSERT OR REPLACE INTO {}(owner, tbl, key, value) VALUES(?, ?, ?, ?)", name)),
          erase(db, fmt::format("DELETE FROM {} WHERE owner = ? AND tbl = ? AND key = ?", name)),
          list(db, fmt::format("SELECT key, value FROM {} WHERE owner = ? AND tbl = ? ORDER BY key", name)),
          load(db, fmt::format("SELECT tbl, key, value FROM {} WHERE owner = ? ORDER BY tbl, key", name)),
          owners(db,
                 fmt::format("SELECT DISTINCT owner FROM {} WHERE tbl = ? AND owner > ? ORDER BY owner LIMIT ?", name)),
          forget(db, fmt::format("DELETE FROM {} WHERE owner = ?", name)) {}

    Statement get, put, erase, list, load, owners, forget;
};

class Driver final : public StoreDriver {
public:
    explicit Driver(const Settings& settings) : db_(settings.file, settings.busy_timeout) {}
    Database& database() noexcept { return db_; }

    // IMMEDIATE: to be refused at once is better than in the middle of a batch.
    void begin() override {
        states_.clear();
        begin_.run();
    }
    void commit() override {
        for (const auto& [owner, cached] : states_)
            if (cached.is_changed)
                write_state_.run(to_integer(cached.state.count), to_integer(cached.state.bytes),
                                 to_integer(cached.state.last_sequence), cached.number);
        commit_.run();
        states_.clear();
    }
    void rollback() noexcept override {
        states_.clear();
        // Some failures (a full disk) have ended the transaction already.
        if (db_.is_in_transaction()) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }

    std::optional<Bytes> get(Space space, std::string_view table, std::string_view owner,
                             std::string_view key) override {
        std::optional<Bytes> found;
        auto& get = rows(space).get;
        get.query([&] { found = get.bytes(0); }, owner, table, Blob{key});
        return found;
    }
    void put(Space space, std::string_view table, std::string_view owner, std::string_view key,
             std::string_view value) override {
        rows(space).put.run(owner, table, Blob{key}, Blob{value});
    }
    void erase(Space space, std::string_view table, std::string_view owner, std::string_view key) override {
        rows(space).erase.run(owner, table, Blob{key});
    }
    Rows list(Space space, std::string_view table, std::string_view owner) override {
        Rows found;
        auto& list = rows(space).list;
        list.query([&] { found.emplace_back(list.bytes(0), list.bytes(1)); }, owner, table);
        return found;
    }
    std::vector<ResidentRow> load(std::string_view owner) override {
        std::vector<ResidentRow> found;
        auto& load = resident_.load;
        load.query([&] { found.push_back({load.bytes(0), load.bytes(1), load.bytes(2)}); }, owner);
        return found;
    }
    std::vector<std::string> owners(Space space, std::string_view table, std::string_view after,
                                    std::size_t limit) override {
        std::vector<std::string> found;
        auto& owners = rows(space).owners;
        owners.query([&] { found.push_back(owners.bytes(0)); }, table, after, to_integer(limit));
        return found;
    }

    std::uint64_t journal_append(std::string_view owner, Time time, std::string_view id,
                                 std::string_view stanza) override {
        auto& cached = state(owner);
        if (cached.number == 0) cached.number = number_owner(owner);
        auto next = cached.state;
        ++next.last_sequence;
        ++next.count;
        next.bytes += stanza.size();
        append_.run(cached.number, to_integer(next.last_sequence), std::int64_t{time.time_since_epoch().count()}, id,
                    Blob{stanza});
        cached = {cached.number, next, true};
        return next.last_sequence;
    }
    std::vector<JournalEntry> journal_read(std::string_view owner, std::uint64_t after, std::size_t limit) override {
        std::vector<JournalEntry> found;
        read_.query(
            [&] {
                found.push_back(
                    {read_.number(0), Time{Time::duration{read_.integer(1)}}, read_.bytes(2), read_.bytes(3)});
            },
            state(owner).number, to_integer(after), to_integer(limit));
        return found;
    }
    void journal_erase(std::string_view owner, std::uint64_t up_to) override {
        auto& cached = state(owner);
        if (cached.state.count == 0) return;
        auto next = cached.state;
        sum_.query(
            [&] {
                next.count -= std::min(next.count, sum_.number(0));
                next.bytes -= std::min(next.bytes, sum_.number(1));
            },
            cached.number, to_integer(up_to));
        drop_.run(cached.number, to_integer(up_to));
        cached = {cached.number, next, true};
    }
    JournalState journal_state(std::string_view owner) override { return state(owner).state; }

    void erase_owner(std::string_view owner) override {
        resident_.forget.run(owner);
        items_.forget.run(owner);
        forget_journal_.run(state(owner).number);
        forget_state_.run(owner);
        states_.erase(states_.find(owner));
    }

    std::vector<TableCount> count(std::string_view owner) override {
        std::vector<TableCount> found;
        count_.query([&] { found.push_back({count_.bytes(0), count_.number(1)}); }, owner);
        return found;
    }

private:
    struct Cached {
        std::int64_t number = 0;   // of the owner in the journal; 0: none yet
        JournalState state{};
        bool is_changed = false;
    };

    RowTable& rows(Space space) noexcept { return space == Space::resident ? resident_ : items_; }

    /// Read once for each transaction and written once at its end, however many entries it appends.
    Cached& state(std::string_view owner) {
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

    std::int64_t number_owner(std::string_view owner) {
        add_owner_.run(owner);
        return sqlite3_last_insert_rowid(db_.get());
    }

    Database db_;
    Statement begin_{db_, "BEGIN IMMEDIATE"}, commit_{db_, "COMMIT"};
    RowTable resident_{db_, "resident"}, items_{db_, "items"};
    Statement append_{db_, "INSERT INTO journal(owner, seq, time, id, stanza) VALUES(?, ?, ?, ?, ?)"};
    Statement read_{db_, "SELECT seq, time, id, stanza FROM journal WHERE owner = ? AND seq > ? ORDER BY seq LIMIT ?"};
    Statement sum_{db_, "SELECT count(*), coalesce(sum(length(stanza)), 0) FROM journal WHERE owner = ? AND seq <= ?"};
    Statement drop_{db_, "DELETE FROM journal WHERE owner = ? AND seq <= ?"};
    Statement forget_journal_{db_, "DELETE FROM journal WHERE owner = ?"};
    Statement read_state_{db_, "SELECT number, count, bytes, last FROM journal_owner WHERE owner = ?"};
    Statement add_owner_{db_, "INSERT INTO journal_owner(owner, count, bytes, last) VALUES(?, 0, 0, 0)"};
    // Not computed from the journal: a sequence is not given twice, even when all entries are gone.
    Statement write_state_{db_, "UPDATE journal_owner SET count = ?, bytes = ?, last = ? WHERE number = ?"};
    Statement forget_state_{db_, "DELETE FROM journal_owner WHERE owner = ?"};
    Statement count_{db_, R"(
        SELECT tbl, count(*) FROM (SELECT tbl FROM resident WHERE owner = ?1 UNION ALL
                                   SELECT tbl FROM items WHERE owner = ?1) GROUP BY tbl
        UNION ALL SELECT 'journal', count(*) FROM journal JOIN journal_owner ON journal.owner = number
                  WHERE journal_owner.owner = ?1 HAVING count(*) > 0)"};
    std::map<std::string, Cached, std::less<>> states_;   // of this transaction
};

}   // namespace

std::unique_ptr<StoreDriver> open(const Settings& settings) {
    make_file(settings.file);
    auto driver = std::make_unique<Driver>(settings);
    auto& db = driver->database();
    recognise(db);
    if (settings.check) quick_check(db);
    configure(db, settings);
    migrate(db);
    return driver;
}

}   // namespace tambo::sqlite
