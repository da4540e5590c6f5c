// The SQLite driver on a disk that fails, fills up, tears what is written and forgets what was not flushed.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "plugins/store_memory/driver.hpp"
#include "plugins/store_sqlite/driver.hpp"
#include "store_files.hpp"
#include "tests/disk/faulty_disk.hpp"

namespace {

using namespace tambo;
using namespace store_files;
using disk::FaultyDisk;
using What = disk::Operation::What;
using Rest = FaultyDisk::Rest;

constexpr int transactions = 30;
const std::vector<std::string> owners{"juliet@capulet.lit", "romeo@montague.lit", "nurse@capulet.lit"};

/// The n-th of a row of transactions in which everything happens that can happen to a store.
void act(StoreDriver& d, int n) {
    const auto k = static_cast<std::uint64_t>(n);
    const auto& owner = owners[k % owners.size()];
    const auto text = fmt::format("<message>{}</message>", n);
    for (std::uint64_t i = 0; i < 3; ++i) {
        auto made = entry(10 * k + i + 1, text + std::string(i * 3000, 'x'));
        made.origin = 1 + i;
        made.origin_number = k;
        if (i != 1) made.holders = {{1 + k % 4, k}};
        d.journal_append(owner, made);
    }
    d.journal_hold(owner, 10 * k + 2, std::vector<Holder>{{1 + k % 4, 0}});
    if (n >= 6) d.journal_erase(owner, std::vector<std::uint64_t>{10 * (k - 3) + 1, 10 * (k - 6) + 2});
    d.session_put(owner, {.device = 1 + k % 4, .resource = text, .accepted = k, .acknowledged = 0, .state = text});
    for (std::uint64_t device = 1; device <= 4; ++device) d.session_count(device, k, k / 2);
    if (n % 7 == 6) d.session_erase(1 + (k - 2) % 4);
    d.put(Space::items, "t", owner, text, std::string(n % 5 == 0 ? 20'000 : 10, 'v'));
    d.put(Space::resident, "r", owner, "row", text);
    if (n % 3 == 2) d.erase(Space::items, "t", owner, fmt::format("<message>{}</message>", n - 3));
    if (n == 25) d.erase_owner(owners[0]);
}

/// All that a store has, in words.
std::string describe(StoreDriver& d) {
    std::string all;
    const auto tell = [&]<class... A>(fmt::format_string<A...> form, A&&... values) {
        fmt::format_to(std::back_inserter(all), form, std::forward<A>(values)...);
    };
    for (const auto& owner : owners) {
        for (const auto& [table, key, value] : d.load(owner)) tell("{} {} {}={}\n", owner, table, key, value);
        for (const auto& [key, value] : d.list(Space::items, "t", owner)) tell("{} {}={}\n", owner, key, value.size());
        const auto state = d.journal_state(owner);
        tell("{} {} {} {}\n", owner, state.count, state.bytes, state.last_sequence);
        for (const auto& e : d.journal_read(owner, 0, 1000)) {
            tell("{} {} {} {} {}/{}:", e.sequence, e.time.time_since_epoch().count(), e.id, e.stanza.size(), e.origin,
                 e.origin_number);
            for (const auto& [device, number] : e.holders) tell(" {}/{}", device, number);
            tell("\n");
        }
        for (const auto& s : d.sessions(owner))
            tell("{} {} {} {} {}\n", s.device, s.resource, s.accepted, s.acknowledged, s.state);
    }
    return all;
}

std::string look_at(StoreDriver& d) {
    d.begin();
    auto seen = describe(d);
    d.rollback();
    return seen;
}

/// What there is after so many transactions, by a driver that has no disk.
const std::vector<std::string>& expected() {
    static const auto all = [] {
        const auto d = memory::open();
        std::vector<std::string> states{look_at(*d)};
        for (int n = 0; n < transactions; ++n) {
            in_transaction(*d, [&] { act(*d, n); });
            states.push_back(look_at(*d));
        }
        return states;
    }();
    return all;
}

/// What is in the log goes into the database, and the log begins anew. A failure is no business of ours.
void checkpoint(const std::filesystem::path& file) {
    sqlite3* db = nullptr;
    sqlite3_open(file.c_str(), &db);
    sqlite3_exec(db, "PRAGMA wal_checkpoint(RESTART)", nullptr, nullptr, nullptr);
    sqlite3_close(db);
}

std::string integrity_of(const std::filesystem::path& file) {
    sqlite3* db = nullptr;
    std::string verdict;
    sqlite3_open(file.c_str(), &db);
    sqlite3_exec(
        db, "PRAGMA integrity_check",
        [](void* into, int, char** columns, char**) {
            *static_cast<std::string*>(into) += columns[0];
            return 0;
        },
        &verdict, nullptr);
    sqlite3_close(db);
    return verdict;
}

class StoreOnFaultyDisk : public testing::Test {
protected:
    std::unique_ptr<StoreDriver> open(Durability durability) const {
        auto d = sqlite::open({.file = file});
        d->promise(durability);
        return d;
    }
    void begin_anew() {
        std::filesystem::remove_all(file.parent_path());
        disk.forget();
    }
    /// Works until the disk dies; how many transactions were confirmed.
    std::size_t work(Durability durability) const {
        std::size_t confirmed = 0;
        try {
            const auto d = open(durability);
            for (; confirmed < transactions; ++confirmed) {
                in_transaction(*d, [&] { act(*d, static_cast<int>(confirmed)); });
                if (confirmed % 6 == 5) checkpoint(file);
            }
        } catch (const std::runtime_error&) {
            EXPECT_TRUE(disk.is_dead()) << "nothing else may fail";
        }
        return confirmed;
    }
    /// Lets the disk die at one operation after the other.
    void die_everywhere(Durability durability, Rest rest, const std::function<void(std::size_t, std::size_t)>& judge) {
        begin_anew();
        work(durability);
        const auto operations = disk.operations();
        ASSERT_GT(operations, 200U);
        for (std::size_t n = 1; n <= operations; n += n < 60 ? 5 : 31) {
            SCOPED_TRACE(fmt::format("dead at operation {} of {}", n, operations));
            begin_anew();
            disk.die_at(n, n * 37 % 4200);
            const auto confirmed = work(durability);
            ASSERT_TRUE(disk.is_dead());
            disk.revive(rest, n);
            const auto d = open(durability);
            const auto found = std::ranges::find(expected(), look_at(*d)) - expected().begin();
            ASSERT_LT(static_cast<std::size_t>(found), expected().size()) << "what is there never was";
            judge(confirmed, static_cast<std::size_t>(found));
            ASSERT_EQ(integrity_of(file), "ok");
            if (HasFailure()) return;
        }
    }

    Folder folder;
    std::filesystem::path file = folder.path / "data" / "tambo.db";
    FaultyDisk disk;
};

// The last transaction may be there without having been confirmed: that is how it is with every letter.
void expect_all_that_was_confirmed(std::size_t confirmed, std::size_t found) {
    EXPECT_GE(found, confirmed);
    EXPECT_LE(found, confirmed + 1);
}

TEST_F(StoreOnFaultyDisk, keeps_what_it_confirmed_when_the_process_dies) {
    die_everywhere(Durability::commit, Rest::all, expect_all_that_was_confirmed);
}

TEST_F(StoreOnFaultyDisk, keeps_under_fsync_what_it_confirmed_when_power_fails) {
    die_everywhere(Durability::fsync, Rest::none, expect_all_that_was_confirmed);
    die_everywhere(Durability::fsync, Rest::some, expect_all_that_was_confirmed);
}

TEST_F(StoreOnFaultyDisk, keeps_the_beginning_of_what_it_confirmed_when_power_fails) {
    std::size_t lost = 0;
    const auto a_beginning = [&](std::size_t confirmed, std::size_t found) {
        EXPECT_LE(found, confirmed + 1);
        lost += confirmed > found ? confirmed - found : 0;
    };
    die_everywhere(Durability::fast, Rest::none, a_beginning);
    die_everywhere(Durability::commit, Rest::some, a_beginning);
    EXPECT_GT(lost, 0U) << "the disk of this test forgets nothing: the tests above prove nothing";
}

TEST_F(StoreOnFaultyDisk, waits_for_the_disk_as_often_as_it_promised) {
    std::atomic<int> flushed = 0;
    disk.judge_by([&](const disk::Operation& operation) {
        flushed += operation.what == What::sync;
        return SQLITE_OK;
    });
    const auto d = open(Durability::fast);
    int n = 0;
    for (const auto durability : {Durability::fast, Durability::commit, Durability::fsync, Durability::commit}) {
        d->promise(durability);
        in_transaction(*d, [&] { act(*d, n++); });   // a new log has to be flushed once in any case
        flushed = 0;
        in_transaction(*d, [&] { act(*d, n++); });
        EXPECT_EQ(flushed > 0, durability == Durability::fsync) << n;
    }
}

TEST_F(StoreOnFaultyDisk, takes_a_transaction_back_that_fails_anywhere_and_does_it_when_asked_again) {
    work(Durability::fsync);
    const auto operations = disk.operations();
    std::size_t refused = 0;
    for (std::size_t n = 1; n <= operations; n += n < 60 ? 5 : 31) {
        SCOPED_TRACE(fmt::format("operation {} of {} failed", n, operations));
        std::filesystem::remove_all(file.parent_path());
        disk.forget();
        disk.judge_by([n](const disk::Operation& operation) {
            if (operation.number != n) return SQLITE_OK;
            return operation.what == What::write && n % 2 == 0 ? SQLITE_FULL : SQLITE_IOERR;
        });
        std::unique_ptr<StoreDriver> d;
        while (!d) try {
                d = open(Durability::fsync);
            } catch (const std::runtime_error& e) {
                EXPECT_NE(std::string_view{e.what()}.find(file.string()), std::string_view::npos) << e.what();
            }
        for (std::size_t k = 0; k < transactions;) try {
                in_transaction(*d, [&] { act(*d, static_cast<int>(k)); });
                if (++k % 6 == 0) checkpoint(file);
            } catch (const std::runtime_error&) {
                ++refused;
                d->rollback();
                ASSERT_EQ(look_at(*d), expected()[k]) << "as if it had never been tried";
            }
        ASSERT_EQ(look_at(*d), expected().back());
        ASSERT_EQ(integrity_of(file), "ok");
    }
    EXPECT_GT(refused, 10U) << "the disk of this test never failed";
}

TEST_F(StoreOnFaultyDisk, refuses_while_the_disk_is_full_and_goes_on_when_there_is_room) {
    std::atomic<bool> is_full = false;
    disk.judge_by([&](const disk::Operation& operation) {
        return is_full && operation.what == What::write ? SQLITE_FULL : SQLITE_OK;
    });
    const auto d = open(Durability::commit);
    for (std::size_t n = 0; n < transactions; ++n) {
        is_full = true;
        for (int again = 0; again < 3; ++again) {
            try {
                in_transaction(*d, [&] { act(*d, static_cast<int>(n)); });
                FAIL() << "confirmed on a full disk";
            } catch (const std::runtime_error& e) {
                EXPECT_NE(std::string_view{e.what()}.find("the disk is full"), std::string_view::npos) << e.what();
            }
            d->rollback();
            ASSERT_EQ(look_at(*d), expected()[n]) << "it can still be read";
        }
        is_full = false;
        in_transaction(*d, [&] { act(*d, static_cast<int>(n)); });
    }
    EXPECT_EQ(look_at(*d), expected().back());
}

}   // namespace
