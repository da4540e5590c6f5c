#include "driver.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
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
#include "journal_tables.hpp"
#include "schema.hpp"
#include "session_table.hpp"

namespace tambo::sqlite {

namespace {

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

void quick_check(Database& db) {
    if (const auto damage = damage_in(db, "quick_check"); !damage.empty())
        throw std::runtime_error{
            fmt::format("{}: is damaged ({}); nothing was changed. Put a backup in its place, or save "
                        "what can be saved with \"sqlite3 FILE .recover\"",
                        db.file(), damage)};
}

void configure(Database& db, const Settings& settings) {
    if (db.is_read_only()) throw std::runtime_error{db.explain(SQLITE_READONLY)};
    if (const auto mode = ask_text(db, "PRAGMA journal_mode = WAL"); mode != "wal")
        throw std::runtime_error{
            fmt::format("{}: its file system allows no write-ahead log (journal mode is \"{}\"); put it "
                        "on a local disk",
                        db.file(), mode)};
    db.execute("PRAGMA synchronous = NORMAL");   // until promise() says more
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
        journal_.start_over();
        begin_.run();
    }
    void commit() override {
        journal_.settle();
        commit_.run();
        journal_.start_over();
    }
    void rollback() noexcept override {
        journal_.start_over();
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
        if (space == Space::items && table == "journal") return journal_.owners(after, limit);
        std::vector<std::string> found;
        auto& owners = rows(space).owners;
        owners.query([&] { found.push_back(owners.bytes(0)); }, table, after, at_most(limit));
        return found;
    }

    void journal_append(std::string_view owner, const JournalEntry& entry) override { journal_.append(owner, entry); }
    std::vector<JournalEntry> journal_read(std::string_view owner, std::uint64_t after, std::size_t limit) override {
        return journal_.read(owner, after, limit);
    }
    void journal_hold(std::string_view owner, std::uint64_t sequence, std::span<const Holder> holders) override {
        journal_.hold(owner, sequence, holders);
    }
    void journal_erase(std::string_view owner, std::span<const std::uint64_t> sequences) override {
        journal_.erase(owner, sequences);
    }
    JournalState journal_state(std::string_view owner) override { return journal_.state(owner); }
    std::vector<JournalEntry> journal_held(std::string_view owner) override { return journal_.held(owner); }
    std::vector<JournalEntry> journal_sent(std::uint64_t device, std::uint64_t after) override {
        return journal_.sent(device, after);
    }

    void session_put(std::string_view owner, const KeptSession& session) override { sessions_.put(owner, session); }
    void session_count(std::uint64_t device, std::uint64_t accepted, std::uint64_t acknowledged) override {
        sessions_.count(device, accepted, acknowledged);
    }
    void session_erase(std::uint64_t device) override { sessions_.erase(device); }
    std::vector<KeptSession> sessions(std::string_view owner) override { return sessions_.of(owner); }
    std::vector<std::string> session_owners(std::string_view after, std::size_t limit) override {
        return sessions_.owners(after, limit);
    }

    // A log that is written to the end of the file survives the process by itself: only a loss of power needs more.
    void promise(Durability durability) override {
        db_.execute(durability == Durability::fsync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    }

    void erase_owner(std::string_view owner) override {
        resident_.forget.run(owner);
        items_.forget.run(owner);
        journal_.forget(owner);
        sessions_.forget(owner);
    }

    std::vector<TableCount> count(std::string_view owner) override {
        std::vector<TableCount> found;
        count_.query([&] { found.push_back({count_.bytes(0), count_.number(1)}); }, owner);
        return found;
    }

private:
    RowTable& rows(Space space) noexcept { return space == Space::resident ? resident_ : items_; }

    Database db_;
    Statement begin_{db_, "BEGIN IMMEDIATE"}, commit_{db_, "COMMIT"};
    RowTable resident_{db_, "resident"}, items_{db_, "items"};
    Statement count_{db_, R"(
        SELECT tbl, count(*) FROM (SELECT tbl FROM resident WHERE owner = ?1 UNION ALL
                                   SELECT tbl FROM items WHERE owner = ?1) GROUP BY tbl
        UNION ALL SELECT 'journal', count(*) FROM journal JOIN journal_owner ON journal.owner = number
                  WHERE journal_owner.owner = ?1 HAVING count(*) > 0
        UNION ALL SELECT 'session', count(*) FROM session WHERE owner = ?1 HAVING count(*) > 0)"};
    JournalTables journal_{db_};
    SessionTable sessions_{db_};
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
