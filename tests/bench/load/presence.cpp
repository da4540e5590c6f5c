// presence: users in a ring, each a contact of its neighbours; all say over and over how they are.
#include <charconv>

#include <fmt/format.h>

#include "commands.hpp"
#include "logins.hpp"
#include "messages.hpp"
#include "process.hpp"
#include "xml.hpp"

namespace bench {

namespace {

constexpr double settle_s = 2, quiet_s = 20;   // some servers say nothing while they are busy
constexpr std::string_view mark = ">P";        // in front of a stamp
constexpr std::size_t stamp_digits = 16;

class Presence final : public Crowd {
public:
    explicit Presence(Run& run)
        : Crowd(run, run.options.count),
          contacts_(run.options.contacts / 2 * 2),
          left_(size(), run.options.broadcasts),
          span_(run.options.pids) {}

    void presence(Client& client, std::string_view stanza) override {
        last_at_ = loop().read_at();
        if (is_measuring_)
            delivered(client, stanza);
        else
            subscribed(client, stanza);
    }

    void iq(Client& client, std::string_view) override {   // the ping behind a broadcast: time for the next
        if (!is_measuring_) return;
        last_at_ = loop().read_at();
        ++answered_;
        if (left_[index_of(client)] > 0) broadcast(client);
    }

    bool run() {
        const bool all = log_all_in();
        subscribe();
        loop().run_for(settle_s);
        measure();
        report();
        log_all_out();
        return all;
    }

private:
    std::uint64_t wanted() const { return std::uint64_t{run_.options.broadcasts} * size() * contacts_; }
    bool is_quiet() const { return now_ns() - last_at_ > static_cast<std::uint64_t>(quiet_s * 1e9); }
    std::string bare(std::size_t index) { return run_.bare_jid(client(index % size()).number()); }

    void subscribe() {
        last_at_ = now_ns();
        for (std::size_t i = 0; i < size(); ++i)
            for (std::size_t distance = 1; distance <= contacts_ / 2; ++distance)
                client(i).say(fmt::format("<presence type='subscribe' to='{}'/>", bare(i + distance)));
        loop().run_until([this] { return subscriptions_ == size() * contacts_ || is_quiet(); }, run_.options.timeout);
    }

    /// Those ahead are asked, and ask in turn.
    void subscribed(Client& client, std::string_view stanza) {
        const auto type = attribute(stanza, "type");
        if (type == "subscribed") ++subscriptions_;
        if (type != "subscribe") return;
        const auto from = attribute(stanza, "from");
        std::uint32_t number = 0;
        std::from_chars(from.data() + run_.options.prefix.size(), from.data() + from.size(), number);
        client.say(fmt::format("<presence type='subscribed' to='{}'/>", run_.bare_jid(number)));
        const auto distance = (client.number() + size() - number) % size();
        if (distance <= contacts_ / 2)
            client.say(fmt::format("<presence type='subscribe' to='{}'/>", run_.bare_jid(number)));
    }

    void broadcast(Client& client) {
        --left_[index_of(client)];
        ++counters().sent;
        client.say(fmt::format("<presence><status>P{:016x}</status></presence>", now_ns()));
        client.ping("said");
    }

    void measure() {
        is_measuring_ = true;
        span_.begin();
        last_at_ = now_ns();
        for (std::size_t i = 0; i < size(); ++i) broadcast(client(i));
        const auto broadcasts = std::uint64_t{run_.options.broadcasts} * size();
        const auto done = [this, broadcasts] {
            return (counters().received >= wanted() && answered_ == broadcasts) || is_quiet();
        };
        loop().run_until(done, run_.options.timeout);
        span_.end();
        is_measuring_ = false;
    }

    void delivered(const Client& client, std::string_view stanza) {
        const auto at = stanza.find(mark);
        if (at == std::string_view::npos || attribute(stanza, "from") == client.jid()) return;   // one's own comes back
        const auto stamp = read_hex(stanza.substr(at + mark.size(), stamp_digits));
        if (!stamp) return;
        ++counters().received;
        latency_.add(loop().read_at() - *stamp);
    }

    void report() {
        const auto received = static_cast<double>(counters().received);
        Json json;
        json.add("cmd", "presence").add("n", run_.options.count).add("contacts", static_cast<double>(contacts_));
        counters().add_to(json);
        json.add("subscribed", static_cast<double>(subscriptions_)).add("delivered", received);
        json.add("lost", static_cast<double>(wanted()) - received);
        json.add("secs", span_.seconds()).add("delivered_per_s", received / span_.seconds());
        json.add("lat_us", latency_, 1e3);
        if (!run_.options.pids.empty()) json.add("server_cpu_s_per_1m", span_.server_cpu() * 1e6 / received);
        span_.add_disturbance(json);
        json.print();
    }

    const std::size_t contacts_;
    std::vector<std::uint32_t> left_;
    Span span_;
    Histogram latency_;
    std::uint64_t subscriptions_ = 0, answered_ = 0, last_at_ = 0;
    bool is_measuring_ = false;
};

}   // namespace

bool presence(Run& run) { return Presence{run}.run(); }

}   // namespace bench
