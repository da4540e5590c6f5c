// What it costs to find an account and a session among so many, drawn at random: the memory they lie in is cold.
//
// registry_bench [--benchmark_filter=…]
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "../unit/one_shard.hpp"
#include "route/account.hpp"

namespace {

using namespace tambo;

/// A shard on which so many users are, each with a session. Made once for each size: a million take their time.
class Town {
public:
    explicit Town(std::size_t users) {
        users_.reserve(users);
        for (std::size_t i = 0; i < users; ++i) {
            users_.push_back(*Jid::parse("u" + std::to_string(i) + "@localhost/r"));
            auto& account = house_.shard().account(users_.back());
            account.when_loaded([&account, full = users_.back()](bool) { account.add_session(full); });
            if (i % 1000 == 999) house_.work();
        }
        house_.work();
        while (house_.shard().find_session(users_.back()) == nullptr) house_.work();
    }

    Shard& shard() { return house_.shard(); }
    const Jid& anybody() { return users_[draw_() % users_.size()]; }

    static Town& of(benchmark::State& state) {
        static std::unique_ptr<Town> town;
        const auto users = static_cast<std::size_t>(state.range(0));
        if (!town || town->users_.size() != users) {
            town.reset();
            town = std::make_unique<Town>(users);
        }
        return *town;
    }

private:
    OneShard house_;
    std::vector<Jid> users_;
    std::mt19937_64 draw_{42};   // NOLINT: the same users in each run
};

/// What the others have in them, too.
void draw(benchmark::State& state) {
    auto& town = Town::of(state);
    for (auto _ : state) benchmark::DoNotOptimize(&town.anybody());
}

void find_account(benchmark::State& state) {
    auto& town = Town::of(state);
    for (auto _ : state) benchmark::DoNotOptimize(town.shard().find_account(town.anybody()));
}

void find_session(benchmark::State& state) {
    auto& town = Town::of(state);
    for (auto _ : state) benchmark::DoNotOptimize(town.shard().find_session(town.anybody()));
}

/// As a stanza names it: text, whose address was not looked at lately.
void find_by_text(benchmark::State& state) {
    auto& town = Town::of(state);
    for (auto _ : state) {
        const auto jid = town.shard().jids.get(town.anybody().text());
        benchmark::DoNotOptimize(town.shard().find_session(*jid));
    }
}

void all_sizes() {
    struct Bench {
        const char* name;
        void (*run)(benchmark::State&);
    };
    for (const std::int64_t users : {1000, 10'000, 100'000, 1'000'000})
        for (const auto& [name, run] : {Bench{"draw", draw}, Bench{"find_account", find_account},
                                        Bench{"find_session", find_session}, Bench{"find_by_text", find_by_text}})
            benchmark::RegisterBenchmark(name, run)->Arg(users)->ArgName("users");
}

}   // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    all_sizes();
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
