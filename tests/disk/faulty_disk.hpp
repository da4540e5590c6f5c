// A disk for SQLite that fails, waits, tears writes and forgets: as a VFS before the real one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <sqlite3.h>

namespace disk {

/// What SQLite is about to do to a file.
struct Operation {
    enum class What : std::uint8_t { write, truncate, sync, remove };
    What what;
    std::string_view file;
    std::size_t number;   ///< of all operations on this disk, from 1
    std::size_t bytes;    ///< of a write
};

/// While it is there, SQLite opens its files on it. Files are where they are named; nothing is ever flushed for real,
/// but it is known what would have been: that is what is left when power fails. Thread-safe.
class FaultyDisk {
public:
    /// Asked before each operation: SQLITE_OK, or the code with which it fails. May wait. Not asked any more when the
    /// disk is dead.
    using Judge = std::function<int(const Operation&)>;

    FaultyDisk();
    ~FaultyDisk();   ///< when all files are closed
    FaultyDisk(const FaultyDisk&) = delete;
    FaultyDisk& operator=(const FaultyDisk&) = delete;

    void judge_by(Judge judge);
    /// That operation and all behind it fail, nothing of them is done; of a write, its first `kept` bytes are. For the
    /// process that is the end: what it does from then on leads nowhere.
    void die_at(std::size_t number, std::size_t kept = 0);
    bool is_dead() const;
    std::size_t operations() const;

    /// What is left of what was not yet flushed when power fails.
    enum class Rest : std::uint8_t {
        all,   ///< only the process died
        none,
        some,   ///< each write or not, whole or its beginning, in any order
    };
    /// Brings the disk back to life with what is left; when all files are closed.
    void revive(Rest rest, std::uint64_t seed = 0);
    /// Another disk: with what is in the files now, and counting from the beginning.
    void forget();

private:
    struct Vfs;
    struct File;
    struct Change {
        std::int64_t offset;
        std::string bytes;
        bool is_truncation;
    };
    struct Medium {
        std::string flushed;
        std::vector<Change> pending;
    };

    static void apply(const Change& change, std::string& content);
    Medium& medium(const std::string& file);
    int decide(Operation::What what, const std::string& file, std::size_t bytes);
    int write(File& file, const void* data, int size, sqlite3_int64 offset);
    int truncate(File& file, sqlite3_int64 size);
    int sync(File& file);
    int remove(const char* file, int and_folder);

    mutable std::mutex mutex_;
    Judge judge_;
    std::size_t operations_ = 0, dies_at_ = 0, kept_ = 0;
    bool is_dead_ = false;
    std::map<std::string, Medium> media_;
    std::unique_ptr<Vfs> vfs_;
};

}   // namespace disk
