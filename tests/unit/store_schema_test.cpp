// Files of every schema that was ever released: they are opened, brought up to date, and have all that they had.
//
// When a schema is added, the one before it gets its tests/data/store-schema-N.sql here.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "plugins/store_sqlite/driver.hpp"
#include "store_files.hpp"
#include "tests/disk/faulty_disk.hpp"

namespace {

using namespace tambo;
using namespace store_files;
using namespace std::string_literals;
using disk::FaultyDisk;
using Rest = FaultyDisk::Rest;
using Sequences = std::vector<std::uint64_t>;

std::string script_of(int schema) {
    std::ifstream in{fmt::format("{}/tests/data/store-schema-{}.sql", TAMBO_SOURCE_DIR, schema)};
    return {std::istreambuf_iterator<char>{in}, {}};
}

class StoreSchema : public testing::Test {
protected:
    void run(const std::string& sql) const {
        sqlite3* db = nullptr;
        ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
        sqlite3_close(db);
    }
    std::string ask(const std::string& sql) const {
        std::string answer;
        sqlite3* db = nullptr;
        EXPECT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
        const auto add = [](void* into, int columns, char** values, char**) {
            for (int i = 0; i < columns; ++i)
                static_cast<std::string*>(into)->append(values[i] ? values[i] : "NULL").append("\n");
            return 0;
        };
        EXPECT_EQ(sqlite3_exec(db, sql.c_str(), add, &answer, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
        sqlite3_close(db);
        return answer;
    }
    void make(int schema) const {
        std::filesystem::remove(file);
        for (const auto* end : {"-wal", "-shm"}) std::filesystem::remove(file.string() + end);
        run(script_of(schema));
        ASSERT_EQ(ask("PRAGMA user_version"), fmt::format("{}\n", schema));
    }

    Folder folder;
    std::filesystem::path file = folder.path / "tambo.db";
};

/// What tests/data/store-schema-1.sql says.
void expect_all_of_schema_1(StoreDriver& d) {
    d.begin();
    for (const auto* owner : {juliet, romeo}) {
        EXPECT_EQ(d.get(Space::resident, "roster", owner, "nurse@capulet.lit"), "subscription=both");
        EXPECT_EQ(d.get(Space::items, "credentials", owner, ""), "\0\xff'"s);
    }
    EXPECT_EQ(d.get(Space::items, "server", "", "key"), "value");
    const auto waiting = d.journal_read(juliet, 0, 10);
    EXPECT_EQ(sequences(waiting), (Sequences{3, 4, 5}));
    if (!waiting.empty()) {
        EXPECT_EQ(waiting[0].id, "id-3");
        EXPECT_EQ(waiting[0].time, Time{std::chrono::milliseconds{1'700'000'000'003}});
        EXPECT_EQ(waiting[0].stanza, "<message><body>3 ☃</body></message>");
        EXPECT_TRUE(waiting[0].holders.empty()) << "it waits for anybody";
    }
    const auto state = d.journal_state(juliet);
    EXPECT_EQ(state.count, 3U);
    EXPECT_EQ(state.bytes, 3 * "<message><body>3 ☃</body></message>"s.size());
    EXPECT_EQ(state.last_sequence, 5U);
    EXPECT_EQ(d.journal_state(romeo).count, 0U);
    EXPECT_EQ(d.journal_state(romeo).last_sequence, 3U) << "gone, but not to be given again";
    EXPECT_EQ(d.journal_read("nurse@capulet.lit", 0, 10).size(), 1U);
    EXPECT_TRUE(d.session_owners("", 10).empty());
    d.rollback();
}

TEST_F(StoreSchema, has_a_file_here_for_each_one_that_was_released) {
    sqlite::open({.file = file});
    const auto newest = std::stoi(ask("PRAGMA user_version"));
    for (int schema = 1; schema < newest; ++schema) EXPECT_NE(script_of(schema), "") << schema;
    EXPECT_EQ(script_of(newest), "") << "not yet released: it would have to be written anew with each change";
}

TEST_F(StoreSchema, one_comes_along_with_all_that_it_had) {
    make(1);
    {
        const auto d = sqlite::open({.file = file});
        expect_all_of_schema_1(*d);
    }
    const auto d = sqlite::open({.file = file});
    expect_all_of_schema_1(*d);
    in_transaction(*d, [&] {
        d->journal_append(juliet, entry(6, "x", {{7, 1}}));
        d->journal_append(romeo, entry(4));
        d->session_put(romeo, {.device = 7, .resource = "r", .accepted = 0, .acknowledged = 0, .state = {}});
    });
    in_transaction(*d, [&] {
        EXPECT_EQ(sequences(d->journal_read(juliet, 3, 10)), (Sequences{4, 5, 6}));
        EXPECT_EQ(sequences(d->journal_held(juliet)), Sequences{6});
        EXPECT_EQ(sequences(d->journal_read(romeo, 0, 10)), Sequences{4});
        EXPECT_EQ(d->sessions(romeo).size(), 1U);
    });
}

TEST_F(StoreSchema, one_is_what_it_was_or_up_to_date_whenever_the_change_is_cut_off) {
    FaultyDisk disk;
    for (const auto rest : {Rest::all, Rest::none, Rest::some}) {
        bool was_cut = true;
        for (std::size_t n = 1; was_cut; ++n) {
            SCOPED_TRACE(fmt::format("dead at operation {}", n));
            disk.revive(Rest::all);
            make(1);
            const auto old = ask("SELECT name, sql FROM sqlite_schema");
            disk.forget();
            disk.die_at(n, 100 * n);
            try {
                sqlite::open({.file = file});
                was_cut = disk.is_dead();   // in closing it
            } catch (const std::runtime_error&) {
                ASSERT_TRUE(disk.is_dead());
            }
            disk.revive(rest, n);
            if (ask("PRAGMA user_version") == "1\n") {
                ASSERT_EQ(ask("SELECT name, sql FROM sqlite_schema"), old);
            }
            const auto d = sqlite::open({.file = file});
            expect_all_of_schema_1(*d);
            if (HasFailure()) return;
        }
    }
}

}   // namespace
