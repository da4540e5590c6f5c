// A connection to an SQLite file and its statements; failures become sentences for the operator.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

namespace tambo::sqlite {

/// A connection; errors become exceptions that name the file.
class Database {
public:
    Database(const std::filesystem::path& file, std::chrono::milliseconds busy_timeout) : file_(file.string()) {
        // The caller is one thread, hence NOMUTEX. No CREATE: making the file is done before, with the right mode.
        constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        if (const int code = sqlite3_open_v2(file_.c_str(), &db_, flags, nullptr); code != SQLITE_OK) {
            const auto sentence = explain(code);
            sqlite3_close(db_);
            throw std::runtime_error{sentence};
        }
        sqlite3_busy_timeout(db_, static_cast<int>(busy_timeout.count()));
        sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
        sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    }
    ~Database() { sqlite3_close(db_); }
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    sqlite3* get() const noexcept { return db_; }
    const std::string& file() const noexcept { return file_; }
    bool is_read_only() const noexcept { return sqlite3_db_readonly(db_, "main") == 1; }
    bool is_in_transaction() const noexcept { return sqlite3_get_autocommit(db_) == 0; }

    void execute(const char* sql) { check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)); }
    void execute(const std::string& sql) { execute(sql.c_str()); }
    void check(int code) const {
        if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) throw std::runtime_error{explain(code)};
    }

    /// What is wrong and what the operator can do.
    std::string explain(int code) const {
        const std::string_view said = db_ ? sqlite3_errmsg(db_) : sqlite3_errstr(code);
        switch (code & 0xff) {
            case SQLITE_CORRUPT:
            case SQLITE_NOTADB:
                return fmt::format(
                    "{}: is damaged or no database ({}); nothing was changed. Put a backup in its place, save "
                    "what can be saved with \"sqlite3 FILE .recover\", or move it away to start empty",
                    file_, said);
            case SQLITE_FULL:
                return fmt::format("{}: the disk is full ({}); make room on it", file_, said);
            case SQLITE_READONLY:
            case SQLITE_PERM:
            case SQLITE_CANTOPEN:
            case SQLITE_AUTH:
                return fmt::format(
                    "{}: cannot be written ({}); let the file and its folder belong to the user that runs "
                    "tambod",
                    file_, said);
            case SQLITE_BUSY:
            case SQLITE_LOCKED:
                return fmt::format("{}: another program holds it ({}); end that program", file_, said);
            case SQLITE_IOERR:
                return fmt::format(
                    "{}: the disk does not answer as it should ({}); see whether it is full, and look at the system's "
                    "log",
                    file_, said);
            default:
                return fmt::format("{}: {}", file_, said);
        }
    }

private:
    std::string file_;
    sqlite3* db_ = nullptr;
};

/// Marks what is bound as bytes rather than text.
struct Blob {
    std::string_view bytes;
};

/// A value, or NULL.
template <class T>
struct Unless {
    bool is_null;
    T value;
};

/// A count for SQLite, which knows signed numbers only: the highest one stands for all that is above it.
inline std::int64_t at_most(std::uint64_t n) noexcept {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    return n > static_cast<std::uint64_t>(most) ? most : static_cast<std::int64_t>(n);
}
/// A number that is only compared for equality: all 64 bits of it.
inline std::int64_t bits(std::uint64_t n) noexcept { return static_cast<std::int64_t>(n); }

/// A prepared statement, made at its first use and kept. `run`/`query` bind in order; views are borrowed until they
/// return.
class Statement {
public:
    Statement(Database& db, std::string sql) : db_(db), sql_(std::move(sql)) {}
    ~Statement() { sqlite3_finalize(handle_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    template <class... A>
    void run(const A&... values) {
        query([] {}, values...);
    }

    /// Calls `row` for each row; it reads the columns from this statement.
    template <class F, class... A>
    void query(F&& row, const A&... values) {
        prepare();
        const Reset after{handle_};
        int index = 0;
        (bind(++index, values), ...);
        for (;;) {
            const int code = sqlite3_step(handle_);
            db_.check(code);
            if (code != SQLITE_ROW) return;
            row();
        }
    }

    std::int64_t integer(int column) const noexcept { return sqlite3_column_int64(handle_, column); }
    std::uint64_t number(int column) const noexcept { return static_cast<std::uint64_t>(integer(column)); }
    std::string bytes(int column) const {
        const auto* data = static_cast<const char*>(sqlite3_column_blob(handle_, column));   // null when empty
        return data ? std::string{data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))}
                    : std::string{};
    }

private:
    struct Reset {
        sqlite3_stmt* statement;
        ~Reset() { sqlite3_reset(statement); }
    };

    void prepare() {
        if (handle_) return;
        db_.check(sqlite3_prepare_v3(db_.get(), sql_.c_str(), static_cast<int>(sql_.size()), SQLITE_PREPARE_PERSISTENT,
                                     &handle_, nullptr));
    }
    // A null pointer would bind NULL, which an empty view must not become.
    static const char* start(std::string_view v) noexcept { return v.data() ? v.data() : ""; }

    void bind(int index, std::string_view text) {
        db_.check(sqlite3_bind_text64(handle_, index, start(text), text.size(), SQLITE_STATIC, SQLITE_UTF8));
    }
    void bind(int index, Blob blob) {
        db_.check(sqlite3_bind_blob64(handle_, index, start(blob.bytes), blob.bytes.size(), SQLITE_STATIC));
    }
    void bind(int index, std::int64_t number) { db_.check(sqlite3_bind_int64(handle_, index, number)); }
    template <class T>
    void bind(int index, const Unless<T>& value) {
        if (value.is_null)
            db_.check(sqlite3_bind_null(handle_, index));
        else
            bind(index, value.value);
    }

    Database& db_;
    std::string sql_;
    sqlite3_stmt* handle_ = nullptr;
};

inline std::int64_t ask_number(Database& db, const std::string& sql) {
    std::int64_t answer = 0;
    Statement question{db, sql};
    question.query([&] { answer = question.integer(0); });
    return answer;
}

inline std::string ask_text(Database& db, const std::string& sql) {
    std::string answer;
    Statement question{db, sql};
    question.query([&] {
        if (answer.empty()) answer = question.bytes(0);
    });
    return answer;
}

/// What "quick_check" or "integrity_check" finds first, in one line; empty if nothing.
inline std::string damage_in(Database& db, std::string_view check) {
    auto verdict = ask_text(db, fmt::format("PRAGMA {}(1)", check));
    if (verdict == "ok") return {};
    std::ranges::replace(verdict, '\n', ' ');
    return verdict;
}

}   // namespace tambo::sqlite
