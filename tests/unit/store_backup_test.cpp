// Copies of the database while it is written to, and the way back.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <stdlib.h>
#include <string>
#include <sys/stat.h>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "plugins/store_memory/driver.hpp"
#include "plugins/store_sqlite/backup.hpp"
#include "plugins/store_sqlite/driver.hpp"
#include "store_files.hpp"

namespace {

using namespace tambo;
namespace fs = std::filesystem;

using store_files::entry, store_files::juliet, store_files::romeo;

class Backup : public testing::Test {
protected:
    Backup() {
        std::string name = fs::temp_directory_path() / "tambo-backup-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
        folder = name;
        database = folder / "tambo.db";
        copy = folder / "copy";
    }
    ~Backup() override { fs::remove_all(folder); }

    std::unique_ptr<StoreDriver> open() const { return sqlite::open({.file = database}); }
    static void put(StoreDriver& driver, std::string_view key, std::string_view value) {
        driver.begin();
        driver.put(Space::resident, "roster", juliet, key, value);
        driver.commit();
    }
    std::string value(std::string_view key) const {
        const auto driver = open();
        driver->begin();
        const auto found = driver->get(Space::resident, "roster", juliet, key);
        driver->rollback();
        return found.value_or("");
    }
    std::string refusal(const std::function<void()>& work) const {
        try {
            work();
        } catch (const std::runtime_error& e) {
            return e.what();
        }
        return {};
    }
    std::size_t files() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator{folder}, {})); }

    fs::path folder, database, copy;
    const std::atomic<bool> never{false};
};

TEST_F(Backup, brings_back_what_was_there) {
    {
        const auto driver = open();
        put(*driver, "romeo", "both");
        sqlite::back_up(database, copy, never);
        put(*driver, "romeo", "none");
        put(*driver, "paris", "from");
    }
    struct stat info{};
    ASSERT_EQ(::stat(copy.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
    const auto old = sqlite::restore(database, copy);
    EXPECT_EQ(value("romeo"), "both");
    EXPECT_EQ(value("paris"), "");
    ASSERT_TRUE(fs::exists(old)) << old;
    database = old;
    EXPECT_EQ(value("romeo"), "none") << "the old database is whole, log included";
}

TEST_F(Backup, has_journal_and_sessions_but_brings_no_session_back) {
    {
        const auto driver = open();
        auto sent = entry(1, "<message/>", {{5, 1}, {6, 0}});
        sent.origin = 6;
        sent.origin_number = 9;
        store_files::in_transaction(*driver, [&] {
            driver->journal_append(juliet, sent);
            driver->journal_append(juliet, entry(2));
            driver->journal_append(juliet, entry(3, "acknowledged by another device", {{5, 2}, {}}));
            driver->session_put(juliet, {.device = 5, .resource = "r", .accepted = 1, .acknowledged = 0, .state = "s"});
        });
        sqlite::back_up(database, copy, never);
    }
    {
        const auto driver = sqlite::open({.file = copy});
        driver->begin();
        EXPECT_EQ(driver->journal_held(juliet).size(), 2U);
        EXPECT_EQ(driver->sessions(juliet).size(), 1U);
        driver->rollback();
    }
    sqlite::restore(database, copy);
    const auto driver = open();
    driver->begin();
    const auto waiting = driver->journal_read(juliet, 0, 10);
    EXPECT_EQ(store_files::sequences(waiting), (std::vector<std::uint64_t>{1, 2}));
    EXPECT_EQ(driver->journal_state(juliet).last_sequence, 3U);
    EXPECT_TRUE(driver->journal_held(juliet).empty()) << "nobody is there any more who could acknowledge it";
    EXPECT_TRUE(driver->journal_sent(6, 0).empty());
    EXPECT_TRUE(driver->session_owners("", 10).empty());
    driver->session_count(5, 1, 1);
    EXPECT_TRUE(driver->sessions(juliet).empty());
    driver->rollback();
}

TEST_F(Backup, of_an_older_version_is_brought_up_to_date) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(copy.c_str(), &db), SQLITE_OK);
    std::ifstream script{fs::path{TAMBO_SOURCE_DIR} / "tests/data/store-schema-1.sql"};
    const std::string sql{std::istreambuf_iterator<char>{script}, {}};
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
    sqlite::restore(database, copy);
    const auto driver = open();
    driver->begin();
    EXPECT_EQ(driver->journal_state(juliet).count, 3U);
    driver->rollback();
}

// Each transaction writes the same number into many rows: a copy that is not of one moment has two numbers.
TEST_F(Backup, is_of_one_moment_while_others_write) {
    const auto driver = open();
    constexpr int rows = 500;
    const auto write_all = [&](int n) {
        driver->begin();
        for (int i = 0; i < rows; ++i)
            driver->put(Space::items, "t", juliet, std::to_string(i), fmt::format("{} {}", n, std::string(500, 'x')));
        driver->commit();
    };
    write_all(0);
    std::atomic<bool> is_copied{false};
    std::atomic<int> written{0};
    std::thread copier{[&] {
        while (written == 0) std::this_thread::yield();
        sqlite::back_up(database, copy, never);
        is_copied = true;
    }};
    while (!is_copied) write_all(++written);
    copier.join();
    const auto found = sqlite::open({.file = copy});
    found->begin();
    const auto list = found->list(Space::items, "t", juliet);
    found->rollback();
    ASSERT_EQ(list.size(), static_cast<std::size_t>(rows));
    for (const auto& [key, text] : list) EXPECT_EQ(text, list.front().second) << key;
}

TEST_F(Backup, never_overwrites) {
    const auto driver = open();
    std::ofstream{copy} << "somebody's thesis";
    EXPECT_NE(refusal([&] { sqlite::back_up(database, copy, never); }).find("exists"), std::string::npos);
    std::ifstream in{copy};
    std::string text;
    std::getline(in, text);
    EXPECT_EQ(text, "somebody's thesis");
}

TEST_F(Backup, leaves_nothing_behind_when_it_is_given_up) {
    const auto driver = open();
    put(*driver, "romeo", "both");
    const auto before = files();
    const std::atomic<bool> at_once{true};
    EXPECT_NE(refusal([&] { sqlite::back_up(database, copy, at_once); }).find("given up"), std::string::npos);
    EXPECT_EQ(files(), before);
}

TEST_F(Backup, is_not_restored_when_it_is_damaged) {
    {
        const auto driver = open();
        put(*driver, "romeo", "both");
        for (int i = 0; i < 200; ++i) put(*driver, std::to_string(i), std::string(1000, 'x'));
        sqlite::back_up(database, copy, never);
    }
    {
        std::fstream out{copy, std::ios::in | std::ios::out | std::ios::binary};
        out.seekp(8 * 4096);
        out << std::string(3 * 4096, '\x55');
    }
    EXPECT_NE(refusal([&] { sqlite::restore(database, copy); }), "");
    EXPECT_EQ(value("romeo"), "both") << "nothing was touched";
    EXPECT_EQ(refusal([&] { sqlite::restore(database, folder / "nowhere"); }).find("nowhere") == std::string::npos,
              false);
}

TEST_F(Backup, of_another_program_is_not_restored) {
    {
        const auto driver = open();
    }
    std::ofstream{copy} << "";
    EXPECT_NE(refusal([&] { sqlite::restore(database, copy); }).find("no backup"), std::string::npos);
    std::ofstream{copy}
        << "this is no database at all, but it is longer than the hundred bytes of a header of one, is it "
           "not? Well, now it is.";
    EXPECT_NE(refusal([&] { sqlite::restore(database, copy); }), "");
}

TEST_F(Backup, may_be_restored_where_nothing_was) {
    {
        const auto driver = open();
        put(*driver, "romeo", "both");
        sqlite::back_up(database, copy, never);
    }
    database = folder / "new.db";
    EXPECT_EQ(sqlite::restore(database, copy), fs::path{});
    EXPECT_EQ(value("romeo"), "both");
}

TEST(Drivers, count_what_an_owner_has_and_nothing_when_it_is_erased) {
    const fs::path file = fs::path{testing::TempDir()} / "tambo-count.db";
    for (const bool in_memory : {true, false}) {
        fs::remove(file);
        const auto driver = in_memory ? memory::open() : sqlite::open({.file = file});
        driver->begin();
        driver->put(Space::resident, "roster", juliet, "a", "1");
        driver->put(Space::resident, "roster", juliet, "b", "1");
        driver->put(Space::items, "vcard", juliet, "", "1");
        driver->put(Space::items, "vcard", romeo, "", "1");
        driver->journal_append(juliet, entry(1, "<message/>"));
        driver->session_put(juliet, {.device = 5, .resource = "r", .accepted = 0, .acknowledged = 0, .state = {}});
        driver->commit();
        const auto all = [&](std::string_view owner) {
            driver->begin();
            std::string text;
            for (const auto& [table, rows] : driver->count(owner)) text += fmt::format("{} {}, ", table, rows);
            driver->rollback();
            return text;
        };
        EXPECT_EQ(all(juliet), "roster 2, vcard 1, journal 1, session 1, ");
        driver->begin();
        driver->erase_owner(juliet);
        driver->commit();
        EXPECT_EQ(all(juliet), "");
        EXPECT_EQ(all(romeo), "vcard 1, ");
    }
    fs::remove(file);
}

}   // namespace
