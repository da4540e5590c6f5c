#include "expiry.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace tambo::offline {

namespace {

constexpr std::size_t batch_entries = 100;
constexpr std::size_t owners_at_once = 100;
constexpr Duration breath = std::chrono::milliseconds{20};   // between two accounts that may have to be loaded

constexpr std::string_view too_old = "the message has waited for longer than this server keeps messages";

}   // namespace

bool Expiry::is_over(const JournalEntry& entry) const {
    return after_.count() > 0 && entry.holders.empty() && host_.now() - entry.time > after_;
}

void Expiry::drop(Account& account, std::vector<JournalEntry> over) {
    if (over.empty()) return;
    auto dropping = host_.journal().drop(account, over);
    host_.spawn(tell_senders(std::move(dropping), std::move(over)));
}

Task<void> Expiry::tell_senders(Later<Result<Nothing>> dropping, std::vector<JournalEntry> dropped) {
    const auto done = co_await std::move(dropping);
    if (!done) co_return;   // they are still there after a restart
    for (const auto& entry : dropped) {
        const auto message = Stanza::parse(entry.stanza);
        if (message && !message->from().empty())
            host_.route(message->error(Error{Condition::service_unavailable, std::string{too_old}}));
    }
}

void Expiry::look(Account& account, Duration interval) {
    if (after_.count() <= 0 || host_.journal().count(account) == 0) return;
    auto& sweep = sweeps_(account);
    const auto uptime = host_.uptime().count();
    if (sweep.at_ms != 0 && uptime - sweep.at_ms < interval.count()) return;
    sweep.at_ms = uptime;
    host_.spawn(drop_old(account.jid()));
}

Task<void> Expiry::drop_old(Jid owner) {
    for (std::uint64_t after = 0;;) {
        auto* account = host_.find_account(owner);
        if (account == nullptr) co_return;
        auto reading = host_.journal().read(*account, after, batch_entries);
        const auto batch = co_await std::move(reading);
        account = host_.find_account(owner);
        if (account == nullptr || !batch || batch->empty()) co_return;
        std::vector<JournalEntry> over;
        for (const auto& entry : *batch)
            if (is_over(entry)) over.push_back(entry);
        const bool is_any = !over.empty();
        after = batch->back().sequence;
        drop(*account, std::move(over));
        if (!is_any) co_return;   // they wait in the order of their ages
    }
}

void Expiry::sweep() {
    if (!std::exchange(is_sweeping_, true)) host_.spawn(sweep_all());
}

Task<void> Expiry::sweep_all() {
    for (std::string after;;) {
        auto asking = host_.store().owners("journal", after, owners_at_once);
        const auto owners = co_await std::move(asking);
        if (!owners || owners->empty()) break;
        after = owners->back();
        for (const auto& owner : *owners) {
            const auto jid = Jid::parse(owner);
            if (!jid) continue;
            auto loading = host_.load_account(*jid);
            auto* account = co_await std::move(loading);
            if (account == nullptr) continue;   // another shard's
            look(*account, Duration{0});
            auto pausing = host_.after(breath);
            co_await std::move(pausing);
        }
    }
    is_sweeping_ = false;
}

}   // namespace tambo::offline
