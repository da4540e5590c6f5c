// login, register, idle.
#include "commands.hpp"
#include "logins.hpp"
#include "process.hpp"

namespace bench {

namespace {

class LogIn final : public Crowd {
public:
    explicit LogIn(Run& run) : Crowd(run, run.options.count), span_(run.options.pids) {}

    void ready(Client& client) override {
        Crowd::ready(client);
        if (run_.options.command == "register") client.log_out();
    }

    bool run() {
        const auto before = proportional_bytes(run_.options.pids);
        span_.begin();
        const bool all = log_in(0, size(), {.concurrency = run_.options.concurrency, .taken = &taken_});
        span_.end();
        Json json;
        report(json);
        if (run_.options.command == "idle") report_memory(json, before);
        span_.add_disturbance(json);
        json.print();
        if (!run_.options.scram_keys.empty()) run_.scram_keys.save(run_.options.scram_keys);
        log_all_out();
        return all;
    }

private:
    void report(Json& json) {
        const auto up = static_cast<double>(counters().up);
        json.add("cmd", run_.options.command).add("n", run_.options.count).add("up", up);
        json.add_unless_zero("existed", counters().existed);
        counters().add_to(json);
        json.add("secs", span_.seconds()).add("per_s", up / span_.seconds()).add("login_ms", taken_, 1e6);
        if (!run_.options.pids.empty()) json.add("server_cpu_ms_per_login", span_.server_cpu() * 1e3 / up);
    }

    void report_memory(Json& json, double before) {
        loop().run_for(run_.options.time);
        const auto held = proportional_bytes(run_.options.pids);
        json.add("server_pss_before_kib", before / 1024).add("server_pss_held_kib", held / 1024);
        json.add("server_pss_per_session_bytes", (held - before) / static_cast<double>(counters().up));
    }

    Span span_;
    Histogram taken_;
};

}   // namespace

bool login(Run& run) { return LogIn{run}.run(); }
bool register_all(Run& run) { return LogIn{run}.run(); }
bool idle(Run& run) { return LogIn{run}.run(); }

}   // namespace bench
