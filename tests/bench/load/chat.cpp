// chat: pairs of users, each message checked.
#include <cmath>

#include "commands.hpp"
#include "logins.hpp"
#include "messages.hpp"
#include "process.hpp"

namespace bench {

namespace {

constexpr double settle_s = 0.5, late_s = 0.3;

/// Client 2p talks to client 2p + 1; in `ping`, that one answers. Flow f is what client f sends.
class Chat final : public Crowd {
public:
    explicit Chat(Run& run)
        : Crowd(run, 2 * run.options.pairs), flows_(size()), span_(run.options.pids), mode_(run.options.mode) {}

    void message(Client& client, std::string_view stanza) override {
        const auto marked = read_message(stanza, run_, counters());
        if (!marked) return;
        if (marked->flow >= flows_.size() || index_of(client) != (marked->flow ^ 1U)) {
            ++counters().misrouted;
            return;
        }
        if (!flows_[marked->flow].take(marked->sequence, counters())) return;
        ++counters().received;
        if (is_measuring_) measure(*marked);
        if (!is_running_ || mode_ == "rate") return;
        send(mode_ == "ping" ? marked->flow ^ 1U : marked->flow, now_ns());
    }

    bool run() {
        const bool all = log_all_in();
        loop().run_for(settle_s);
        begin();
        talk(run_.options.warm_up);
        is_measuring_ = true;
        span_.begin();
        talk(run_.options.time);
        span_.end();
        is_measuring_ = is_running_ = false;
        drain();
        report();
        log_all_out();
        return all;
    }

private:
    void send(std::uint32_t flow, std::uint64_t stamp) {
        auto& from = client(flow);
        auto& to = client(flow ^ 1U);
        if (!from.is_ready() || !to.is_ready()) {
            ++counters().unsent;
            return;
        }
        send_message(from, run_, to.jid(), flow, flows_[flow], stamp);
        ++counters().sent;
    }

    void measure(const Marked& marked) {
        const auto now = loop().read_at();
        const auto taken = now > marked.stamp ? now - marked.stamp : 0;
        latency_.add(taken);
        if (run_.options.every > 0) lately_.add(taken);
    }

    void begin() {
        is_running_ = true;
        began_at_ = now_ns();
        if (mode_ == "rate") return;
        const auto window = mode_ == "ping" ? 1U : run_.options.window;
        for (std::uint32_t pair = 0; pair < run_.options.pairs; ++pair)
            for (std::uint32_t i = 0; i < window; ++i) send(2 * pair, now_ns());
    }

    void talk(double seconds) {
        const auto end = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
        for (auto now = now_ns(); now < end; now = now_ns()) {
            auto wait = std::min<std::uint64_t>(end - now, 20'000'000);
            if (mode_ == "rate") wait = std::min(wait, send_due(now));
            loop().turn(std::chrono::nanoseconds{wait});
            if (is_measuring_ && run_.options.every > 0) sample();
        }
    }

    /// Each message has its time, whatever became of those before it: their latency counts from there.
    std::uint64_t send_due(std::uint64_t now) {
        constexpr int burst = 256;
        for (int i = 0; i < burst; ++i, ++due_) {
            const auto due =
                began_at_ + static_cast<std::uint64_t>(static_cast<double>(due_) * 1e9 / run_.options.rate);
            if (due > now) return due - now;
            send(2 * static_cast<std::uint32_t>(due_ % run_.options.pairs), due);
        }
        return 0;
    }

    void sample() {
        const auto now = now_ns();
        if (sampled_at_ == 0) sampled_at_ = now;
        if (static_cast<double>(now - sampled_at_) < run_.options.every * 1e9) return;
        Json json;
        json.add("sample_s", static_cast<double>(now - began_at_) / 1e9).add("lat_us", lately_, 1e3);
        json.add("server_pss_kib", proportional_bytes(run_.options.pids) / 1024);
        json.add("server_cpu_s", cpu_seconds(run_.options.pids)).print();
        lately_ = {};
        sampled_at_ = now;
    }

    std::uint64_t outstanding() const {
        std::uint64_t sum = 0;
        for (const auto& flow : flows_) sum += flow.outstanding();
        return sum;
    }

    void drain() {
        loop().run_until([this] { return outstanding() == 0; }, run_.options.drain);
        loop().run_for(late_s);   // what comes twice comes now
        counters().lost = outstanding();
    }

    void report() {
        const auto count = static_cast<double>(latency_.count());
        Json json;
        json.add("cmd", "chat").add("mode", mode_).add("pairs", run_.options.pairs).add("size", run_.options.size);
        counters().add_to(json);
        json.add("secs", span_.seconds()).add("msgs_per_s", count / span_.seconds());
        json.add("sent", static_cast<double>(counters().sent))
            .add("received", static_cast<double>(counters().received));
        json.add("lost", static_cast<double>(counters().lost))
            .add("repeated", static_cast<double>(counters().repeated));
        json.add("reordered", static_cast<double>(counters().reordered)).add("lat_us", latency_, 1e3);
        if (!run_.options.pids.empty()) {
            json.add("server_cpu_s", span_.server_cpu()).add("server_cores", span_.server_cpu() / span_.seconds());
            json.add("server_cpu_s_per_1m", span_.server_cpu() * 1e6 / count);
        }
        json.add("client_cores", span_.own_cpu() / span_.seconds());
        span_.add_disturbance(json);
        json.print();
    }

    std::vector<Flow> flows_;
    Span span_;
    Histogram latency_, lately_;
    const std::string mode_;
    std::uint64_t began_at_ = 0, due_ = 0, sampled_at_ = 0;
    bool is_running_ = false, is_measuring_ = false;
};

}   // namespace

bool chat(Run& run) { return Chat{run}.run(); }

}   // namespace bench
