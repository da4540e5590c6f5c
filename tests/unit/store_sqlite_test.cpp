// The SQLite driver and its files: what they survive, and which ones it refuses.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "plugins/store_sqlite/driver.hpp"
#include "store_files.hpp"

namespace {

using namespace tambo;
using namespace store_files;

void run_sql(const std::filesystem::path& file, const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
}

class SqliteFile : public testing::Test {
protected:
    std::unique_ptr<StoreDriver> open() { return sqlite::open({.file = file, .check = true}); }
    std::string refusal() {
        try {
            open();
            return {};
        } catch (const std::runtime_error& e) {
            return e.what();
        }
    }
    void fill() {
        auto driver = open();
        in_transaction(*driver, [&] {
            for (int i = 0; i < 500; ++i)
                driver->put(Space::items, "t", juliet, "key " + std::to_string(i), std::string(200, 'v'));
        });
    }
    std::string content() const {
        std::ifstream in{file, std::ios::binary};
        return {std::istreambuf_iterator<char>{in}, {}};
    }
    void expect_refused(std::string_view because) {
        const auto before = content();
        const auto sentence = refusal();
        EXPECT_NE(sentence.find(file.string()), std::string::npos) << "must name the file: " << sentence;
        EXPECT_NE(sentence.find(because), std::string::npos) << sentence;
        EXPECT_EQ(content(), before) << "must not be touched";
    }

    Folder folder;
    std::filesystem::path file = folder.path / "data" / "tambo.db";
};

TEST_F(SqliteFile, is_for_its_owner_only) {
    const auto driver = open();
    in_transaction(*driver, [&] { driver->put(Space::items, "t", juliet, "k", "v"); });
    struct stat found{};
    for (const auto* end : {"", "-wal", "-shm"}) {
        ASSERT_EQ(::stat((file.string() + end).c_str(), &found), 0) << end;
        EXPECT_EQ(found.st_mode & 0777, 0600U) << end;
    }
    ASSERT_EQ(::stat(file.parent_path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0700U);
}

TEST_F(SqliteFile, has_everything_after_a_restart) {
    {
        const auto driver = open();
        in_transaction(*driver, [&] {
            driver->put(Space::resident, "roster", juliet, "k", "v");
            for (std::uint64_t n = 1; n <= 7; ++n) driver->journal_append(juliet, entry(n));
            driver->journal_erase(juliet, std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7});
        });
        driver->begin();
        driver->put(Space::resident, "roster", juliet, "k", "never committed");
    }
    const auto driver = open();
    in_transaction(*driver, [&] {
        EXPECT_EQ(driver->get(Space::resident, "roster", juliet, "k"), "v");
        EXPECT_EQ(driver->journal_state(juliet).last_sequence, 7U);
        EXPECT_EQ(driver->journal_state(juliet).count, 0U);
    });
}

TEST_F(SqliteFile, serves_the_next_version_of_the_plugin_while_the_old_one_is_still_open) {
    auto old = open();
    in_transaction(*old, [&] { old->journal_append(juliet, entry(1)); });
    auto next = open();
    old.reset();
    in_transaction(*next, [&] { EXPECT_EQ(next->journal_state(juliet).last_sequence, 1U); });
    // Closing the old one must not have taken the new one's locks away: another connection must still see it busy.
    next->begin();
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &other), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_BUSY);
    sqlite3_close(other);
    next->rollback();
}

TEST_F(SqliteFile, is_refused_when_a_newer_version_wrote_it) {
    open();
    run_sql(file, "PRAGMA user_version = 99");
    expect_refused("newer tambo (schema 99, this one knows 2)");
}

TEST_F(SqliteFile, is_refused_when_it_belongs_to_another_program) {
    std::filesystem::create_directories(file.parent_path());
    run_sql(file, "CREATE TABLE bookmarks(url TEXT)");
    expect_refused("another program");
}

TEST_F(SqliteFile, is_refused_when_it_is_no_database) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream{file} << std::string(5000, 'x');
    expect_refused("damaged");
}

TEST_F(SqliteFile, is_refused_when_it_is_damaged_in_the_middle) {
    fill();
    {
        std::fstream out{file, std::ios::in | std::ios::out | std::ios::binary};
        out.seekp(5 * 4096);
        out << std::string(3 * 4096, '\x55');
    }
    expect_refused("damaged");
}

TEST_F(SqliteFile, is_refused_when_its_end_is_missing) {
    fill();
    std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
    expect_refused("damaged");
}

/// Root may write anything: for the file system this thread is somebody else meanwhile.
class AsNobody {
public:
    AsNobody() { ::setfsuid(65534); }
    ~AsNobody() { ::setfsuid(::geteuid()); }
};

TEST_F(SqliteFile, is_refused_when_it_cannot_be_written) {
    fill();
    ::chmod(file.c_str(), 0444);
    ::chmod(file.parent_path().c_str(), 0555);
    ::chmod(folder.path.c_str(), 0755);
    const AsNobody me;
    expect_refused("belong to the user that runs tambod");
}

TEST_F(SqliteFile, cannot_be_made_where_its_folder_is_a_file) {
    std::ofstream{folder.path / "data"} << "in the way";
    EXPECT_NE(refusal().find("cannot be made"), std::string::npos) << refusal();
}

TEST_F(SqliteFile, becomes_one_of_ours_when_it_is_empty) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream{file}.flush();
    EXPECT_EQ(refusal(), "");
    EXPECT_EQ(refusal(), "");
}

TEST_F(SqliteFile, says_that_another_program_holds_it_instead_of_waiting_for_ever) {
    open();
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &other), SQLITE_OK);
    const auto driver = sqlite::open({.file = file, .busy_timeout = std::chrono::milliseconds{1}});
    ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    try {
        driver->begin();
        ADD_FAILURE() << "began in spite of the other program";
    } catch (const std::runtime_error& e) {
        EXPECT_NE(std::string{e.what()}.find("another program holds it"), std::string::npos) << e.what();
    }
    driver->rollback();
    sqlite3_close(other);
    in_transaction(*driver, [&] { driver->put(Space::items, "t", juliet, "k", "v"); });
}

}   // namespace
