#include "record.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace tambo::ticks {

namespace {

constexpr std::array<std::string_view, 4> shows{"nothing", "accepted", "delivered", "read"};
constexpr std::array<std::string_view, 3> failures{"none", "dropped", "refused"};

/// Takes a number and the space behind it from the front.
bool take(std::string_view& line, std::int64_t& number) {
    const auto [at, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    if (error != std::errc{} || at == line.data() + line.size() || *at != ' ') return false;
    line.remove_prefix(static_cast<std::size_t>(at - line.data()) + 1);
    return true;
}

bool take(std::string_view& line, Time& time) {
    std::int64_t milliseconds = 0;
    if (!take(line, milliseconds)) return false;
    time = moment(milliseconds);
    return true;
}

std::string_view take_line(std::string_view& rest) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    return line;
}

}   // namespace

std::optional<Show> show_of(std::string_view name) noexcept {
    const auto at = std::ranges::find(shows, name);
    if (at == shows.end()) return std::nullopt;
    return static_cast<Show>(at - shows.begin());
}

std::string_view name_of(Show show) noexcept { return shows.at(static_cast<std::size_t>(show)); }
std::string_view name_of(Failure failure) noexcept { return failures.at(static_cast<std::size_t>(failure)); }

bool Record::is_read() const noexcept {
    return std::ranges::any_of(devices, [](const Device& d) { return d.read != Time{}; });
}

Time Record::changed() const noexcept {
    auto latest = std::max({sent, accepted, failed});
    for (const auto& device : devices) latest = std::max({latest, device.delivered, device.read});
    return latest;
}

Device* Record::device(std::string_view jid) {
    if (const auto at = std::ranges::find(devices, jid, &Device::jid); at != devices.end()) return &*at;
    if (devices.size() >= max_devices) return nullptr;
    return &devices.emplace_back(Device{std::string{jid}});
}

std::string key_of(std::string_view with, std::string_view id) { return fmt::format("{}\n{}", with, id); }

// A line for the message, a line for each device; what is free text stands last in its line.
std::string encode(const Record& record) {
    const bool is_one_line = record.stable_id.find('\n') == std::string::npos;
    auto row = fmt::format("{} {} {} {} {}", count(record.sent), count(record.accepted), count(record.failed),
                           static_cast<int>(record.failure), is_one_line ? record.stable_id : "");
    for (const auto& device : record.devices)
        row += fmt::format("\n{} {} {}", count(device.delivered), count(device.read), device.jid);
    return row;
}

std::optional<Record> decode(std::string_view key, std::string_view value) {
    const auto end = key.find('\n');
    if (end == key.npos) return std::nullopt;
    Record record{.with = std::string{key.substr(0, end)}, .id = std::string{key.substr(end + 1)}, .stable_id = {}};
    auto line = take_line(value);
    std::int64_t failure = 0;
    if (!take(line, record.sent) || !take(line, record.accepted) || !take(line, record.failed) || !take(line, failure))
        return std::nullopt;
    if (failure < 0 || failure >= static_cast<std::int64_t>(failures.size())) return std::nullopt;
    record.failure = static_cast<Failure>(failure);
    record.stable_id = line;
    while (!value.empty()) {
        line = take_line(value);
        Device device;
        if (!take(line, device.delivered) || !take(line, device.read)) return std::nullopt;
        device.jid = line;
        if (record.devices.size() < max_devices) record.devices.push_back(std::move(device));
    }
    return record;
}

}   // namespace tambo::ticks
