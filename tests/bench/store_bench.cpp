// What a change costs in the SQLite store, in transactions of a thousand: CPU time for each, and how long it took.
//
// store_bench [fast|commit|fsync] [FOLDER]
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "plugins/store_sqlite/driver.hpp"

namespace {

using namespace tambo;
using Clock = std::chrono::steady_clock;

constexpr std::size_t owners = 10'000, at_once = 1000;

double cpu_microseconds() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

class Bench {
public:
    Bench(const std::filesystem::path& folder, Durability durability)
        : store_(sqlite::open({.file = folder / "bench.db"})) {
        store_->promise(durability);
        std::mt19937_64 random{1};
        for (std::size_t n = 0; n < owners; ++n) {
            names_.push_back(fmt::format("user{}@example.org", n * 7919 % owners));
            devices_.push_back(random());
        }
    }

    void run() {
        measure("append, the first of an owner", owners, [&](std::size_t n) { append(n, {}); });
        measure("append, owners in turn", 5 * owners, [&](std::size_t n) { append(n, {}); });
        measure("append with sender and holder", 5 * owners, [&](std::size_t n) { append(n, made_by(n)); });
        measure("append, one owner", owners, [&](std::size_t) { append(0, {}); });
        measure("hold", owners, [&](std::size_t n) { hold(n); });
        measure("erase, owners in turn", 5 * owners, [&](std::size_t n) { erase(n, 1 + n / owners); });
        measure("erase with sender and holder", 5 * owners, [&](std::size_t n) { erase(n, 7 + n / owners); });
        measure("session, a new one", owners, [&](std::size_t n) { put(n, 'a'); });
        measure("session, changed", owners, [&](std::size_t n) { put(n, 'b'); });
        measure("session's counters", 5 * owners,
                [&](std::size_t n) { store_->session_count(devices_[n % owners], n, n); });
        measure("session, ended", owners, [&](std::size_t n) { store_->session_erase(devices_[n]); });
        measure("account loaded, 10,000 waiting", 100, [&](std::size_t) { store_->journal_state(names_[0]); });
    }

private:
    void measure(std::string_view what, std::size_t changes, const std::function<void(std::size_t)>& change) {
        const auto cpu = cpu_microseconds();
        const auto start = Clock::now();
        for (std::size_t n = 0; n < changes;) {
            store_->begin();
            for (std::size_t i = 0; i < at_once && n < changes; ++i) change(n++);
            store_->commit();
        }
        const std::chrono::duration<double, std::micro> took = Clock::now() - start;
        const auto each = static_cast<double>(changes);
        fmt::print("{:<32} {:8.2f} us CPU {:8.2f} us each\n", what, (cpu_microseconds() - cpu) / each,
                   took.count() / each);
    }

    void append(std::size_t n, JournalEntry entry) {
        entry.sequence = ++last_[n % owners];
        entry.time = Time{std::chrono::milliseconds{1'700'000'000'000}};
        entry.id = "0193b2f8c0de4c0f9a7b";
        entry.stanza = stanza_;
        store_->journal_append(names_[n % owners], entry);
    }
    JournalEntry made_by(std::size_t n) const {
        JournalEntry entry;
        entry.origin = devices_[n * 31 % owners];
        entry.origin_number = n;
        entry.holders = {{devices_[n % owners], n}};
        return entry;
    }
    void hold(std::size_t n) {
        const Holder holder{devices_[n], 2};
        store_->journal_hold(names_[n], 2, std::span{&holder, 1});
    }
    void erase(std::size_t n, std::uint64_t sequence) {
        store_->journal_erase(names_[n % owners], std::span{&sequence, 1});
    }
    void put(std::size_t n, char state) {
        store_->session_put(names_[n], {.device = devices_[n],
                                        .resource = "phone",
                                        .accepted = 1,
                                        .acknowledged = 2,
                                        .state = std::string(400, state)});
    }

    std::unique_ptr<StoreDriver> store_;
    std::vector<std::string> names_;
    std::vector<std::uint64_t> devices_, last_ = std::vector<std::uint64_t>(owners);
    const std::string stanza_ = std::string(300, 'x');
};

}   // namespace

int main(int count, char** words) {
    const std::string_view mode = count > 1 ? words[1] : "fast";
    const auto durability = mode == "fsync"    ? Durability::fsync
                            : mode == "commit" ? Durability::commit
                                               : Durability::fast;
    std::string folder = fmt::format("{}/tambo-bench-XXXXXX", count > 2 ? words[2] : ".");
    if (mkdtemp(folder.data()) == nullptr) {
        fmt::print(stderr, "{}: no folder can be made there\n", folder);
        return 1;
    }
    Bench{folder, durability}.run();
    std::filesystem::remove_all(folder);
}
