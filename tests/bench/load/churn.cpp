// churn: users who come, stay a while, and go politely or break off; for as long as the test beside them takes.

#include "commands.hpp"
#include "logins.hpp"
#include "process.hpp"

namespace bench {

namespace {

class Churn final : public Crowd {
public:
    explicit Churn(Run& run) : Crowd(run, run.options.count), span_(run.options.pids) {}

    bool run() {
        const auto end = now_ns() + static_cast<std::uint64_t>(run_.options.time * 1e9);
        std::uint64_t rounds = 0;
        bool all = true;
        span_.begin();
        for (; now_ns() < end; ++rounds) {
            all = log_in(0, size(), {.concurrency = run_.options.concurrency, .again = true, .taken = &taken_}) && all;
            loop().run_for(run_.options.warm_up);
            leave(rounds);
        }
        span_.end();
        Json json;
        json.add("cmd", "churn").add("n", run_.options.count).add("rounds", static_cast<double>(rounds));
        json.add("up", static_cast<double>(counters().up));
        counters().add_to(json);
        json.add("secs", span_.seconds()).add("login_ms", taken_, 1e6).print();
        return all;
    }

private:
    /// Every other one says so, in turn.
    void leave(std::uint64_t round) {
        for (std::size_t i = 0; i < size(); ++i) {
            if ((i + round) % 2 == 0)
                client(i).log_out();
            else
                client(i).go();
        }
    }

    Span span_;
    Histogram taken_;
};

}   // namespace

bool churn(Run& run) { return Churn{run}.run(); }

}   // namespace bench
