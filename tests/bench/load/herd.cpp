// herd: all connections break at once, and their clients come back at once.
#include "commands.hpp"
#include "logins.hpp"
#include "process.hpp"

namespace bench {

namespace {

class Herd final : public Crowd {
public:
    explicit Herd(Run& run) : Crowd(run, run.options.count), span_(run.options.pids) {}

    bool run() {
        log_all_in();
        counters() = {};
        loop().run_for(run_.options.warm_up);
        span_.begin();
        for (std::size_t i = 0; i < size(); ++i) client(i).go();
        const bool all = log_in(
            0, size(), {.concurrency = run_.options.count, .again = true, .taken = &back_, .from_the_start = true});
        span_.end();
        Json json;
        const auto up = static_cast<double>(counters().up);
        json.add("cmd", "herd").add("n", run_.options.count).add("up", up);
        counters().add_to(json);
        json.add("secs", span_.seconds()).add("back_ms", back_, 1e6);
        if (!run_.options.pids.empty()) json.add("server_cpu_ms_per_login", span_.server_cpu() * 1e3 / up);
        span_.add_disturbance(json);
        json.print();
        log_all_out();
        return all;
    }

private:
    Span span_;
    Histogram back_;
};

}   // namespace

bool herd(Run& run) { return Herd{run}.run(); }

}   // namespace bench
