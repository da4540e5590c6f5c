// The store thread and the SQLite driver on a disk that makes them wait, or fails for a while.
#include <atomic>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "plugins/store_sqlite/driver.hpp"
#include "store/store_service.hpp"
#include "store_files.hpp"
#include "tests/disk/faulty_disk.hpp"

namespace {

using namespace tambo;
using namespace store_files;
using disk::FaultyDisk;
using What = disk::Operation::What;
using Rest = FaultyDisk::Rest;

class Silent final : public Log {
    bool enabled(Level) const noexcept override { return false; }
    void write(Level, std::string_view) noexcept override {}
};

class StoreInAnOutage : public testing::Test {
protected:
    void start(StoreService& service) {
        service.use([this] { return sqlite::open({.file = file}); });
    }

    Folder folder;
    std::filesystem::path file = folder.path / "tambo.db";
    FaultyDisk disk;
    Silent log;
};

TEST_F(StoreInAnOutage, confirms_nothing_before_it_is_flushed) {
    StoreService service{log, {.durability = Durability::fsync}};
    start(service);
    std::promise<void> waits, goes_on;
    std::atomic<bool> is_first = true;
    disk.judge_by([&](const disk::Operation& operation) {
        if (operation.what == What::sync && is_first.exchange(false)) {
            waits.set_value();
            goes_on.get_future().wait();
        }
        return SQLITE_OK;
    });
    std::atomic<int> answered = 0, kept = 0;
    std::promise<void> all;
    const auto ask = [&](int n) {
        service.submit([n](StoreDriver& d) { d.put(Space::items, "t", juliet, std::to_string(n), "v"); },
                       [](const std::function<void()>& answer) { answer(); },
                       [&](const std::string& error) {
                           kept += error.empty();
                           if (++answered == 20) all.set_value();
                       },
                       true);
    };
    ask(0);
    waits.get_future().wait();
    for (int n = 1; n < 20; ++n) ask(n);
    EXPECT_EQ(answered, 0) << "the disk does not have it yet";
    goes_on.set_value();
    all.get_future().wait();
    EXPECT_EQ(kept, 20);
    service.use({});
}

TEST_F(StoreInAnOutage, refuses_while_the_disk_fails_and_loses_nothing_that_was_kept) {
    std::vector<int> kept;
    {
        StoreService service{log, {.durability = Durability::fsync}};
        start(service);
        std::atomic<int> code = SQLITE_OK;
        disk.judge_by(
            [&](const disk::Operation& operation) { return operation.what == What::remove ? SQLITE_OK : code.load(); });
        for (int n = 0; n < 60; ++n) {
            code = n % 10 < 5 ? SQLITE_OK : n % 20 < 10 ? SQLITE_FULL : SQLITE_IOERR_FSYNC;
            const auto error = service.run([n](StoreDriver& d) {
                d.journal_append(juliet, entry(static_cast<std::uint64_t>(n) + 1, fmt::format("{}", n)));
            });
            EXPECT_EQ(error.empty(), code == SQLITE_OK) << n << ": " << error;
            if (error.empty()) kept.push_back(n);
        }
        disk.judge_by({});
        disk.die_at(disk.operations() + 1);
        service.use({});
    }
    disk.revive(Rest::none);
    const auto d = sqlite::open({.file = file});
    d->begin();
    std::vector<int> found;
    for (const auto& e : d->journal_read(juliet, 0, 1000)) found.push_back(std::stoi(e.stanza));
    d->rollback();
    EXPECT_EQ(found, kept);
}

}   // namespace
