// The SQLite driver on real files. What every driver promises is asked of the memory driver too.
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

#include "plugins/store_memory/driver.hpp"
#include "plugins/store_sqlite/driver.hpp"

namespace {

using namespace tambo;
using namespace std::string_literals;

constexpr auto juliet = "juliet@capulet.lit", romeo = "romeo@montague.lit";

class Folder {
public:
    Folder() {
        std::string name = std::filesystem::temp_directory_path() / "tambo-store-XXXXXX";
        if (!::mkdtemp(name.data())) throw std::runtime_error{"no temporary folder"};
        path = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
};

void in_transaction(StoreDriver& driver, const std::function<void()>& work) {
    driver.begin();
    work();
    driver.commit();
}

void run_sql(const std::filesystem::path& file, const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
}

// ---- what every driver promises

using Make = std::unique_ptr<StoreDriver> (*)(const std::filesystem::path&);

class EveryDriver : public testing::TestWithParam<Make> {
protected:
    Folder folder;
    std::unique_ptr<StoreDriver> driver = GetParam()(folder.path / "tambo.db");
    StoreDriver& d = *driver;
};
INSTANTIATE_TEST_SUITE_P(Drivers, EveryDriver,
                         testing::Values(Make{[](const std::filesystem::path& file) {
                                             return sqlite::open({.file = file});
                                         }},
                                         Make{[](const std::filesystem::path&) { return memory::open(); }}),
                         [](const auto& which) { return which.index == 0 ? "sqlite"s : "memory"s; });

TEST_P(EveryDriver, gives_back_what_was_put_whatever_the_bytes) {
    const auto odd = "a\0b\xff\n'; DROP TABLE items; --"s;
    in_transaction(d, [&] {
        for (const auto space : {Space::resident, Space::items}) {
            EXPECT_FALSE(d.get(space, "t", juliet, "k"));
            d.put(space, "t", juliet, "k", odd);
            d.put(space, "t", juliet, odd, "ключ ☃");
            d.put(space, "t", juliet, "empty", {});
            d.put(space, "t", juliet, {}, "no key");
            d.put(space, "t", {}, "server", "no owner");
            d.put(space, "t", juliet, "k\0"s, "longer");
        }
    });
    in_transaction(d, [&] {
        for (const auto space : {Space::resident, Space::items}) {
            EXPECT_EQ(d.get(space, "t", juliet, "k"), odd);
            EXPECT_EQ(d.get(space, "t", juliet, odd), "ключ ☃");
            EXPECT_EQ(d.get(space, "t", juliet, "empty"), "");
            EXPECT_EQ(d.get(space, "t", juliet, ""), "no key");
            EXPECT_EQ(d.get(space, "t", "", "server"), "no owner");
            EXPECT_EQ(d.get(space, "t", juliet, "k\0"s), "longer");
            EXPECT_FALSE(d.get(space, "t", romeo, "k"));
            EXPECT_FALSE(d.get(space, "u", juliet, "k"));
            d.put(space, "t", juliet, "k", "new");
            EXPECT_EQ(d.get(space, "t", juliet, "k"), "new");
            d.erase(space, "t", juliet, "k");
            d.erase(space, "t", juliet, "never there");
            EXPECT_FALSE(d.get(space, "t", juliet, "k"));
        }
    });
}

TEST_P(EveryDriver, lists_in_key_order_and_loads_all_resident_rows) {
    in_transaction(d, [&] {
        for (const auto* key : {"b", "a", "c"}) d.put(Space::resident, "roster", juliet, key, "v");
        d.put(Space::resident, "block", juliet, "x", "y");
        d.put(Space::resident, "roster", romeo, "z", "other");
        d.put(Space::items, "vcard", juliet, "", "not resident");
    });
    in_transaction(d, [&] {
        EXPECT_EQ(d.list(Space::resident, "roster", juliet), (Rows{{"a", "v"}, {"b", "v"}, {"c", "v"}}));
        EXPECT_TRUE(d.list(Space::items, "roster", juliet).empty());
        const auto rows = d.load(juliet);
        ASSERT_EQ(rows.size(), 4U);
        EXPECT_EQ(rows[0].table, "block");
        EXPECT_EQ(rows[0].key, "x");
        EXPECT_EQ(rows[3].table, "roster");
        EXPECT_EQ(rows[3].key, "c");
        EXPECT_TRUE(d.load("nobody@nowhere.lit").empty());
    });
}

TEST_P(EveryDriver, pages_through_owners) {
    in_transaction(d, [&] {
        for (const auto space : {Space::resident, Space::items})
            for (const auto* owner : {"c@x", "a@x", "b@x"}) {
                d.put(space, "t", owner, "1", "");
                d.put(space, "t", owner, "2", "");
                d.put(space, "other", "d@x", "1", "");
            }
    });
    in_transaction(d, [&] {
        using Owners = std::vector<std::string>;
        for (const auto space : {Space::resident, Space::items}) {
            EXPECT_EQ(d.owners(space, "t", "", 2), (Owners{"a@x", "b@x"}));
            EXPECT_EQ(d.owners(space, "t", "b@x", 2), (Owners{"c@x"}));
            EXPECT_EQ(d.owners(space, "t", "c@x", 2), Owners{});
            EXPECT_EQ(d.owners(space, "t", "", std::numeric_limits<std::size_t>::max()).size(), 3U);
        }
    });
}

TEST_P(EveryDriver, keeps_a_journal_for_each_owner) {
    const Time when{std::chrono::milliseconds{1'700'000'000'123}};
    in_transaction(d, [&] {
        EXPECT_EQ(d.journal_append(juliet, when, "id-1", "<message>1</message>"), 1U);
        EXPECT_EQ(d.journal_append(romeo, when, "id-r", "<message/>"), 1U);
        EXPECT_EQ(d.journal_append(juliet, when, "id-2", "\0\xff"s), 2U);
        EXPECT_EQ(d.journal_append(juliet, when, "id-3", ""), 3U);
    });
    in_transaction(d, [&] {
        const auto all = d.journal_read(juliet, 0, 100);
        ASSERT_EQ(all.size(), 3U);
        EXPECT_EQ(all[0].sequence, 1U);
        EXPECT_EQ(all[0].time, when);
        EXPECT_EQ(all[0].id, "id-1");
        EXPECT_EQ(all[0].stanza, "<message>1</message>");
        EXPECT_EQ(all[1].stanza, "\0\xff"s);
        EXPECT_EQ(d.journal_read(juliet, 1, 1).at(0).id, "id-2");
        EXPECT_TRUE(d.journal_read(juliet, 3, 10).empty());
        EXPECT_TRUE(d.journal_read(juliet, std::numeric_limits<std::uint64_t>::max(), 10).empty());
        auto state = d.journal_state(juliet);
        EXPECT_EQ(state.count, 3U);
        EXPECT_EQ(state.bytes, 22U);
        EXPECT_EQ(state.last_sequence, 3U);
        d.journal_erase(juliet, 2);
        state = d.journal_state(juliet);
        EXPECT_EQ(state.count, 1U);
        EXPECT_EQ(state.bytes, 0U);
        EXPECT_EQ(d.journal_read(juliet, 0, 10).at(0).id, "id-3");
        EXPECT_EQ(d.journal_state(romeo).count, 1U);
        EXPECT_EQ(d.journal_state("nobody@nowhere.lit").last_sequence, 0U);
        d.journal_erase("nobody@nowhere.lit", 5);
    });
}

TEST_P(EveryDriver, gives_no_sequence_twice_even_when_all_entries_are_gone) {
    in_transaction(d, [&] {
        for (int i = 0; i < 5; ++i) d.journal_append(juliet, Time{}, "id", "x");
        d.journal_erase(juliet, 1000);
    });
    in_transaction(d, [&] {
        EXPECT_EQ(d.journal_state(juliet).count, 0U);
        EXPECT_EQ(d.journal_append(juliet, Time{}, "id", "x"), 6U);
    });
}

TEST_P(EveryDriver, takes_everything_back_on_rollback) {
    in_transaction(d, [&] {
        d.put(Space::items, "t", juliet, "k", "old");
        d.journal_append(juliet, Time{}, "id-1", "x");
        d.put(Space::items, "t", romeo, "k", "romeo's");
    });
    d.begin();
    d.put(Space::items, "t", juliet, "k", "new");
    d.put(Space::items, "t", juliet, "k", "newer");
    d.put(Space::items, "t", juliet, "more", "x");
    d.erase(Space::items, "t", juliet, "k");
    d.journal_append(juliet, Time{}, "id-2", "x");
    d.journal_erase(juliet, 1);
    d.erase_owner(romeo);
    d.put(Space::items, "t", romeo, "later", "x");
    d.rollback();
    in_transaction(d, [&] {
        EXPECT_EQ(d.list(Space::items, "t", juliet), (Rows{{"k", "old"}}));
        EXPECT_EQ(d.list(Space::items, "t", romeo), (Rows{{"k", "romeo's"}}));
        EXPECT_EQ(d.journal_state(juliet).count, 1U);
        EXPECT_EQ(d.journal_append(juliet, Time{}, "id-2", "x"), 2U) << "the first one with this number never was";
        EXPECT_EQ(d.journal_read(juliet, 0, 10).at(0).id, "id-1");
    });
    d.rollback();   // without a transaction: nothing happens
}

TEST_P(EveryDriver, erases_an_owner_everywhere_and_nobody_else) {
    in_transaction(d, [&] {
        for (const auto* owner : {juliet, romeo}) {
            d.put(Space::resident, "roster", owner, "k", "v");
            d.put(Space::items, "credentials", owner, "", "v");
            d.journal_append(owner, Time{}, "id", "x");
        }
        d.erase_owner(juliet);
    });
    in_transaction(d, [&] {
        EXPECT_TRUE(d.load(juliet).empty());
        EXPECT_FALSE(d.get(Space::items, "credentials", juliet, ""));
        EXPECT_TRUE(d.journal_read(juliet, 0, 10).empty());
        EXPECT_EQ(d.journal_state(juliet).last_sequence, 0U);
        EXPECT_EQ(d.load(romeo).size(), 1U);
        EXPECT_EQ(d.journal_state(romeo).count, 1U);
        d.erase_owner("nobody@nowhere.lit");
    });
}

// ---- what a file brings with it

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
            for (int i = 0; i < 7; ++i) driver->journal_append(juliet, Time{}, "id", "x");
            driver->journal_erase(juliet, 7);
        });
        driver->begin();
        driver->put(Space::resident, "roster", juliet, "k", "never committed");
    }
    const auto driver = open();
    in_transaction(*driver, [&] {
        EXPECT_EQ(driver->get(Space::resident, "roster", juliet, "k"), "v");
        EXPECT_EQ(driver->journal_append(juliet, Time{}, "id", "x"), 8U);
        EXPECT_EQ(driver->journal_state(juliet).count, 1U);
    });
}

TEST_F(SqliteFile, serves_the_next_version_of_the_plugin_while_the_old_one_is_still_open) {
    auto old = open();
    in_transaction(*old, [&] { old->journal_append(juliet, Time{}, "id", "x"); });
    auto next = open();
    old.reset();
    in_transaction(*next, [&] { EXPECT_EQ(next->journal_append(juliet, Time{}, "id", "x"), 2U); });
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
    expect_refused("newer tambo (schema 99, this one knows 1)");
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
