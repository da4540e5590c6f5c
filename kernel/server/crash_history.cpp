#include "server/crash_history.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <ranges>

#include <fmt/core.h>

namespace tambo {

namespace {

using Entry = CrashHistory::Event;   // tambo::Event is something else
using Kind = Entry::Kind;

constexpr std::array<std::string_view, 4> kinds = {"started", "stopped", "died", "forgiven"};
constexpr std::string_view nothing = "-";
constexpr std::size_t most_events = 100;
constexpr std::int64_t latest_second = 253'402'300'799;   // year 9999

std::string_view next_word(std::string_view& line) {
    const auto end = std::min(line.find(' '), line.size());
    const auto word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

std::string unless_nothing(std::string_view word) { return std::string{word == nothing ? std::string_view{} : word}; }
std::string_view or_nothing(const std::string& word) { return word.empty() ? nothing : std::string_view{word}; }

std::optional<Entry> read_line(std::string_view line) {
    const auto when = next_word(line);
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(when.data(), when.data() + when.size(), seconds);
    if (error != std::errc{} || end != when.data() + when.size() || seconds < 0 || seconds > latest_second)
        return std::nullopt;
    const auto* const kind = std::ranges::find(kinds, next_word(line));
    if (kind == kinds.end()) return std::nullopt;
    Entry event;
    event.time = Time{std::chrono::seconds{seconds}};
    event.kind = static_cast<Kind>(kind - kinds.begin());
    if (event.kind == Kind::died) event.signal = next_word(line);
    if (event.kind == Kind::died || event.kind == Kind::forgiven) event.module = unless_nothing(next_word(line));
    if (event.kind == Kind::died) event.shard = unless_nothing(next_word(line));
    return event;
}

}   // namespace

CrashHistory::CrashHistory(std::string_view text) {
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        if (auto event = read_line(text.substr(0, end))) events_.push_back(std::move(*event));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

std::string to_line(const Entry& event) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(event.time).time_since_epoch().count();
    auto line = fmt::format("{} {}", seconds, kinds[static_cast<std::size_t>(event.kind)]);
    if (event.kind == Kind::died)
        line += fmt::format(" {} {} {}", event.signal, or_nothing(event.module), or_nothing(event.shard));
    if (event.kind == Kind::forgiven) line += fmt::format(" {}", event.module);
    return line + '\n';
}

std::string CrashHistory::text() const {
    std::string text;
    for (const auto& event : events_) text += to_line(event);
    return text;
}

void CrashHistory::forget_before(Time moment) {
    std::erase_if(events_, [&](const Entry& e) { return e.time < moment; });
    if (events_.size() > most_events) events_.erase(events_.begin(), events_.end() - most_events);
}

const Entry* CrashHistory::last_run() const noexcept {
    for (const auto& event : std::views::reverse(events_))
        if (event.kind != Kind::forgiven) return &event;
    return nullptr;
}

// A clock that was set back leaves events in the future: they count for as long as those of the past.
unsigned CrashHistory::blamed(std::string_view module, Time now, std::chrono::milliseconds window) const noexcept {
    unsigned count = 0;
    for (const auto& event : std::views::reverse(events_)) {
        if (event.module != module) continue;
        if (event.kind == Kind::forgiven) break;
        if (event.kind == Kind::died && std::chrono::abs(now - event.time) < window) ++count;
    }
    return count;
}

}   // namespace tambo
