// What it costs to call a module through the table of hooks, beside ways of calling that could not be swapped.
//
// dispatch_bench [--benchmark_filter=…]
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "../unit/one_shard.hpp"
#include "route/account.hpp"

namespace {

using namespace tambo;

/// Small work that can't be left out, behind a call that can't either.
struct Work {
    std::uint64_t done = 0;
    [[gnu::noinline]] Verdict hear(Session&, Stanza&) {
        benchmark::DoNotOptimize(++done);
        return Verdict::pass;
    }
};

struct Listener {
    virtual ~Listener() = default;
    virtual Verdict hear(Session&, Stanza&) = 0;
};
struct VirtualWork final : Listener {
    Work work;
    Verdict hear(Session& session, Stanza& stanza) override { return work.hear(session, stanza); }
};

class Hearing final : public Module {
public:
    void wire(Wiring& w) override { w.on<&Hearing::hear>(Event::stanza_in, this); }

private:
    Verdict hear(Session& session, Stanza& stanza) { return work_.hear(session, stanza); }
    Work work_;
};

/// A shard with so many modules that hear what clients send.
class House {
public:
    explicit House(int listeners) {
        for (int i = 0; i < listeners; ++i)
            house_.make("listener" + std::to_string(i), [] { return new Hearing; }).go_live();
    }
    Hooks& hooks() { return house_.shard().hooks; }
    Session& session() { return session_; }
    Stanza& stanza() { return stanza_; }

private:
    OneShard house_;
    LocalAccount& account_{house_.account("romeo@localhost")};
    LocalSession& session_{account_.add_session(*account_.jid().with_resource("orchard"))};
    Stanza stanza_{*Stanza::parse("<message><body>Wherefore?</body></message>")};
};

void direct_call(benchmark::State& state) {
    House house{0};
    Work work;
    for (auto _ : state) benchmark::DoNotOptimize(work.hear(house.session(), house.stanza()));
}
BENCHMARK(direct_call);

void virtual_call(benchmark::State& state) {
    House house{0};
    const std::unique_ptr<Listener> listener = std::make_unique<VirtualWork>();
    auto* hidden = listener.get();
    benchmark::DoNotOptimize(hidden);
    for (auto _ : state) benchmark::DoNotOptimize(hidden->hear(house.session(), house.stanza()));
}
BENCHMARK(virtual_call);

/// With `listeners` handlers: breadcrumb, try and catch, and the thunk are in it.
void hooks(benchmark::State& state) {
    House house{static_cast<int>(state.range(0))};
    for (auto _ : state)
        benchmark::DoNotOptimize(house.hooks().fire(Event::stanza_in, house.session(), &house.stanza()));
}
BENCHMARK(hooks)->Arg(0)->Arg(1)->Arg(5)->ArgName("listeners");

}   // namespace

BENCHMARK_MAIN();
