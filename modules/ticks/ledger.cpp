#include "ledger.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <tuple>
#include <utility>

namespace tambo::ticks {

std::optional<Time> Ledger::asked(const Account& account) const {
    const auto* row = wishes_.get(account, key_asked);
    if (row == nullptr) return std::nullopt;
    std::int64_t milliseconds = 0;
    std::from_chars(row->data(), row->data() + row->size(), milliseconds);
    return moment(milliseconds);
}

std::optional<Show> Ledger::show(const Account& account) const {
    const auto* row = wishes_.get(account, key_show);
    return row != nullptr ? show_of(*row) : std::nullopt;
}

void Ledger::set(Account& account, std::string_view key, std::string value) const {
    const auto* row = wishes_.get(account, key);
    if (row == nullptr || *row != value) wishes_.put(account, key, std::move(value));
}

void Ledger::forget(Account& account) const {
    wishes_.erase(account, key_asked);
    erase(account, select(account, [](std::string_view) { return true; }));
}

std::optional<Record> Ledger::find(const Account& account, std::string_view with, std::string_view id) const {
    const auto key = key_of(with, id);
    const auto* row = records_.get(account, key);
    return row != nullptr ? decode(key, *row) : std::nullopt;
}

void Ledger::put(Account& account, const Record& record, std::size_t most) const {
    const auto key = key_of(record.with, record.id);
    if (records_.get(account, key) == nullptr) {
        make_room(account, most);
        ++tally(account);
    }
    records_.put(account, key, encode(record));
}

// A sixteenth at once: the oldest are found by looking at all.
void Ledger::make_room(Account& account, std::size_t most) const {
    if (tally(account) < most) return;
    auto oldest = select(account, [](std::string_view) { return true; });
    oldest.resize(std::min(oldest.size(), oldest.size() - most + std::max<std::size_t>(1, most / 16)));
    erase(account, oldest);
}

void Ledger::prune(Account& account, Time before) const {
    auto old = select(account, [](std::string_view) { return true; });
    std::erase_if(old, [&](const Record& record) { return record.sent >= before; });
    erase(account, old);
}

void Ledger::erase(Account& account, const std::vector<Record>& going) const {
    if (going.empty()) return;
    for (const auto& record : going) records_.erase(account, key_of(record.with, record.id));
    tallies_(account) = {};
}

std::size_t Ledger::size(const Account& account) const {
    std::size_t n = 0;
    records_.each(account, [&](std::string_view, const std::string&) { ++n; });
    return n;
}

std::uint32_t& Ledger::tally(Account& account) const {
    auto& tally = tallies_(account);
    if (!std::exchange(tally.is_counted, true)) tally.records = static_cast<std::uint32_t>(size(account));
    return tally.records;
}

void Ledger::sort(std::vector<Record>& records) {
    std::ranges::sort(records, {}, [](const Record& r) { return std::tie(r.sent, r.with, r.id); });
}

}   // namespace tambo::ticks
