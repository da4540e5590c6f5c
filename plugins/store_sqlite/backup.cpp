#include "backup.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "database.hpp"
#include "schema.hpp"

namespace tambo::sqlite {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds busy_timeout{5000};
constexpr int pages_at_once = 1024;   // between two looks at `stop`

[[noreturn]] void fail_with(const fs::path& file, std::string_view what) {
    throw std::runtime_error{fmt::format("{}: {}: {}", file.string(), what, std::generic_category().message(errno))};
}

fs::path beside(const fs::path& file, std::string_view ending) {
    auto name = file;
    name += ending;
    return name;
}

/// A new file that is gone again unless it gets its name.
class HalfWritten {
public:
    explicit HalfWritten(const fs::path& file) : name_(beside(file, ".half")) {
        fs::remove(name_);
        const int made = ::open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (made < 0) fail_with(name_, "cannot be made");
        ::close(made);
    }
    ~HalfWritten() {
        std::error_code ignored;
        for (const auto* ending : {"", "-wal", "-shm", "-journal"}) fs::remove(beside(name_, ending), ignored);
    }
    HalfWritten(const HalfWritten&) = delete;
    HalfWritten& operator=(const HalfWritten&) = delete;

    const fs::path& name() const noexcept { return name_; }

    void becomes(const fs::path& file) const {
        flush(name_, O_RDWR);
        if (::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, file.c_str(), RENAME_NOREPLACE) != 0)
            fail_with(file, "cannot be made");
        flush(file.has_parent_path() ? file.parent_path() : fs::path{"."}, O_RDONLY | O_DIRECTORY);
    }

private:
    static void flush(const fs::path& file, int how) {
        const int descriptor = ::open(file.c_str(), how | O_CLOEXEC);
        const bool is_kept = descriptor >= 0 && ::fsync(descriptor) == 0;
        if (descriptor >= 0) ::close(descriptor);
        if (!is_kept) fail_with(file, "cannot be written to the disk");
    }

    fs::path name_;
};

/// Copies page by page what the source's open transaction sees.
class Copy {
public:
    Copy(Database& from, Database& to) : to_(to), handle_(sqlite3_backup_init(to.get(), "main", from.get(), "main")) {
        if (handle_ == nullptr) to_.check(sqlite3_errcode(to_.get()));
    }
    ~Copy() { sqlite3_backup_finish(handle_); }
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;

    void run(const std::atomic<bool>& stop) {
        for (int code = SQLITE_OK; code != SQLITE_DONE;) {
            if (stop) throw std::runtime_error{"the server stops; the backup was given up"};
            code = sqlite3_backup_step(handle_, pages_at_once);
            if (code != SQLITE_OK && code != SQLITE_DONE) throw std::runtime_error{to_.explain(code)};
        }
    }

private:
    Database& to_;
    sqlite3_backup* handle_;
};

void copy(const fs::path& from, const fs::path& to, const std::atomic<bool>& stop) {
    Database source{from, busy_timeout};
    // A read transaction of our own: without it each commit of somebody else would start the copy anew.
    source.execute("BEGIN");
    ask_number(source, "SELECT count(*) FROM sqlite_schema");
    Database target{to, busy_timeout};
    target.execute("PRAGMA synchronous = OFF");   // it is flushed as a whole when it is whole
    Copy{source, target}.run(stop);
    target.execute("PRAGMA journal_mode = DELETE");   // can be read where nothing can be written
}

void look_through(const fs::path& file, std::string_view check) {
    Database db{file, busy_timeout};
    recognise(db);
    if (ask_number(db, "PRAGMA user_version") == 0)
        throw std::runtime_error{fmt::format("{}: is empty, no backup of a tambo database", file.string())};
    if (const auto damage = damage_in(db, check); !damage.empty())
        throw std::runtime_error{fmt::format("{}: is damaged ({})", file.string(), damage)};
}

/// Sessions go on from where they are, not from where they were: what a client was sent and has acknowledged since the
/// backup was made nobody knows any more. Whoever had one logs in anew, and is given what no device had acknowledged
/// then. (A holder that is no device, always the last one, says that another one has.)
constexpr auto forget_all_sessions = R"(
    BEGIN;
    DELETE FROM session;
    DELETE FROM session_count;
    UPDATE journal_owner SET last = max(last, (SELECT coalesce(max(seq), 0) FROM journal WHERE owner = number));
    DELETE FROM journal WHERE substr(holders, -16) = zeroblob(16);
    UPDATE journal SET holders = NULL, origin = NULL, origin_number = NULL
           WHERE holders IS NOT NULL OR origin IS NOT NULL;
    COMMIT)";

void forget_sessions(const fs::path& file) {
    Database db{file, busy_timeout};
    migrate(db);
    db.execute(forget_all_sessions);
}

std::string stamp() {
    return fmt::format("{:%Y%m%dT%H%M%SZ}",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

// The log goes along: what is not yet in the database is in there.
void move_database(const fs::path& from, const fs::path& to) {
    for (const auto* ending : {"-wal", "-shm", ""})
        if (fs::exists(beside(from, ending))) fs::rename(beside(from, ending), beside(to, ending));
}

fs::path free_name(const fs::path& database) {
    const auto name = beside(database, ".before-" + stamp());
    auto free = name;
    for (int n = 2; fs::exists(free); ++n) free = beside(name, fmt::format("-{}", n));
    return free;
}

}   // namespace

void back_up(const fs::path& database, const fs::path& file, const std::atomic<bool>& stop) {
    if (fs::exists(file)) throw std::runtime_error{fmt::format("{}: exists; name a file that does not", file.string())};
    const HalfWritten half{file};
    copy(database, half.name(), stop);
    look_through(half.name(), "quick_check");
    half.becomes(file);
}

fs::path restore(const fs::path& database, const fs::path& file) {
    if (!fs::exists(file)) throw std::runtime_error{fmt::format("{}: there is no such file", file.string())};
    look_through(file, "integrity_check");
    const HalfWritten half{database};
    copy(file, half.name(), std::atomic<bool>{false});
    forget_sessions(half.name());
    const auto old = fs::exists(database) ? free_name(database) : fs::path{};
    if (!old.empty()) move_database(database, old);
    try {
        half.becomes(database);
    } catch (...) {
        if (!old.empty()) move_database(old, database);
        throw;
    }
    return old;
}

}   // namespace tambo::sqlite
