// offline: messages for users who are away, then all of those come at once. Nothing may come twice when they come
// again.
#include "commands.hpp"
#include "logins.hpp"
#include "messages.hpp"
#include "process.hpp"

namespace bench {

namespace {

constexpr double settle_s = 1, quiet_s = 5;

/// The first clients send, the others receive; a flow for each of these.
class Offline final : public Crowd {
public:
    explicit Offline(Run& run)
        : Crowd(run, run.options.senders + run.options.recipients),
          senders_(run.options.senders),
          flows_(run.options.recipients),
          next_(senders_),
          storing_(run.options.pids),
          delivering_(run.options.pids) {}

    void iq(Client& client, std::string_view) override {   // the answer to the ping behind a batch: the server has it
        const auto sender = index_of(client);
        if (sender < senders_ && is_storing_) send_batch(sender);
    }

    void message(Client& client, std::string_view stanza) override {
        const auto marked = read_message(stanza, run_, counters());
        if (!marked) return;
        if (marked->flow >= flows_.size() || index_of(client) != senders_ + marked->flow) {
            ++counters().misrouted;
        } else if (flows_[marked->flow].take(marked->sequence, counters())) {
            ++counters().received;
            last_at_ = loop().read_at();
        }
    }

    bool run() {
        const bool all = log_in(0, senders_, {.concurrency = run_.options.concurrency});
        loop().run_for(settle_s);
        store();
        loop().run_for(settle_s);
        deliver();
        come_again();
        report();
        log_all_out();
        return all;
    }

private:
    /// Sender s has what recipients s, s + senders … are to get.
    std::uint32_t total(std::size_t sender) const {
        const auto recipients = flows_.size();
        const auto of_it = sender < recipients ? (recipients - sender - 1) / senders_ + 1 : 0;
        return static_cast<std::uint32_t>(of_it) * run_.options.each;
    }

    void send_batch(std::size_t sender) {
        if (next_[sender] == total(sender)) {
            ++done_;
            return;
        }
        const auto end = std::min(total(sender), next_[sender] + run_.options.window);
        const auto recipients_of_it = total(sender) / run_.options.each;
        for (; next_[sender] < end; ++next_[sender]) {
            const auto recipient = static_cast<std::uint32_t>(sender + next_[sender] % recipients_of_it * senders_);
            const auto to = run_.bare_jid(client(senders_ + recipient).number());
            send_message(client(sender), run_, to, recipient, flows_[recipient], now_ns());
            ++counters().sent;
        }
        client(sender).ping("stored");
    }

    void store() {
        is_storing_ = true;
        storing_.begin();
        for (std::size_t sender = 0; sender < senders_; ++sender) send_batch(sender);
        loop().run_until([this] { return done_ == senders_; }, run_.options.timeout);
        storing_.end();
        is_storing_ = false;
    }

    void deliver() {
        run_.with_presence = false;   // all are to be there before the first one gets anything
        log_in(senders_, size(), {.concurrency = run_.options.concurrency});
        loop().run_for(settle_s);
        delivering_.begin();
        const auto began_at = last_at_ = now_ns();
        for (auto i = senders_; i < size(); ++i) client(i).say("<presence/>");
        const auto all_or_quiet = [this] {
            return counters().received == counters().sent ||
                   now_ns() - last_at_ > static_cast<std::uint64_t>(quiet_s * 1e9);
        };
        loop().run_until(all_or_quiet, run_.options.timeout);
        delivering_.end();
        delivered_in_s_ = static_cast<double>(last_at_ - began_at) / 1e9;
        loop().run_for(settle_s);
    }

    void come_again() {
        for (auto i = senders_; i < size(); ++i) client(i).log_out();
        loop().run_for(settle_s);
        run_.with_presence = true;
        log_in(senders_, size(), {.concurrency = run_.options.concurrency});
        loop().run_for(settle_s);
        for (const auto& flow : flows_) counters().lost += flow.outstanding();
    }

    void report() {
        const auto sent = static_cast<double>(counters().sent), received = static_cast<double>(counters().received);
        Json json;
        json.add("cmd", "offline").add("recipients", run_.options.recipients).add("each", run_.options.each);
        counters().add_to(json);
        json.add("sent", sent).add("received", received).add("lost", static_cast<double>(counters().lost));
        json.add("repeated", static_cast<double>(counters().repeated));
        json.add("reordered", static_cast<double>(counters().reordered));
        json.add("store_secs", storing_.seconds()).add("stored_per_s", sent / storing_.seconds());
        json.add("deliver_secs", delivered_in_s_).add("delivered_per_s", received / delivered_in_s_);
        if (!run_.options.pids.empty()) {
            json.add("store_cpu_s_per_1m", storing_.server_cpu() * 1e6 / sent);
            json.add("deliver_cpu_s_per_1m", delivering_.server_cpu() * 1e6 / received);
        }
        storing_.add_disturbance(json);
        json.print();
    }

    const std::size_t senders_;
    std::vector<Flow> flows_;
    std::vector<std::uint32_t> next_;
    Span storing_, delivering_;
    std::size_t done_ = 0;
    std::uint64_t last_at_ = 0;
    double delivered_in_s_ = 0;
    bool is_storing_ = false;
};

}   // namespace

bool offline(Run& run) { return Offline{run}.run(); }

}   // namespace bench
