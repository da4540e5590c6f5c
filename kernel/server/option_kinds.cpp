#include "server/option_kinds.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

#include <fmt/ranges.h>

namespace tambo {

namespace {

constexpr std::size_t max_shown_bytes = 80;

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// Largest first, as they are written.
constexpr std::array duration_units = {Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000},
                                       Unit{"ms", 1}};
constexpr std::array size_units = {Unit{"G", std::uint64_t{1} << 30}, Unit{"M", std::uint64_t{1} << 20},
                                   Unit{"K", std::uint64_t{1} << 10}, Unit{"", 1}};
constexpr std::uint64_t max_amount = std::uint64_t{1}
                                     << 52;   // 140,000 years or 4 PiB: nothing that adds to it overflows

// A number and a unit. Zero needs no unit.
std::optional<std::uint64_t> amount(std::string_view text, std::span<const Unit> units) {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = whole_number<std::uint64_t>(text.substr(0, digits));
    if (!number) return std::nullopt;
    const auto name = text.substr(digits);
    if (*number == 0 && name.empty()) return 0;
    const auto unit = std::ranges::find(units, name, &Unit::name);
    if (unit == units.end() || *number > max_amount / unit->factor) return std::nullopt;
    return *number * unit->factor;
}

std::string written_amount(std::uint64_t value, std::span<const Unit> units) {
    if (value == 0) return "0";
    for (const auto& unit : units)
        if (value % unit.factor == 0) return fmt::format("{}{}", value / unit.factor, unit.name);
    return fmt::to_string(value);
}

}   // namespace

std::string_view trimmed(std::string_view text) {
    const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

std::optional<bool> Kind<bool>::read(std::string_view text) {
    for (const std::string_view yes : {"yes", "true", "on"})
        if (text == yes) return true;
    for (const std::string_view no : {"no", "false", "off"})
        if (text == no) return false;
    return std::nullopt;
}

std::string Kind<bool>::write(bool value) { return value ? "yes" : "no"; }

std::optional<std::int64_t> Kind<std::int64_t>::read(std::string_view text) { return whole_number<std::int64_t>(text); }

std::string Kind<std::int64_t>::write(std::int64_t value) { return fmt::to_string(value); }

std::optional<Duration> Kind<Duration>::read(std::string_view text) {
    const auto value = amount(text, duration_units);
    if (!value) return std::nullopt;
    return Duration{static_cast<Duration::rep>(*value)};
}

std::string Kind<Duration>::write(Duration value) {
    return written_amount(static_cast<std::uint64_t>(value.count()), duration_units);
}

std::optional<Size> Kind<Size>::read(std::string_view text) {
    const auto value = amount(text, size_units);
    if (!value) return std::nullopt;
    return Size{*value};
}

std::string Kind<Size>::write(Size value) { return written_amount(value.bytes, size_units); }

std::optional<std::string> Kind<std::string>::read(std::string_view text) { return std::string{text}; }

std::string Kind<std::string>::write(const std::string& value) { return value; }

std::optional<List> Kind<List>::read(std::string_view text) {
    List list;
    while (!(text = trimmed(text)).empty()) {
        const auto comma = text.find(',');
        const auto item = trimmed(text.substr(0, comma));
        if (item.empty()) return std::nullopt;
        list.emplace_back(item);
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    }
    return list;
}

std::string Kind<List>::write(const List& value) { return fmt::format("{}", fmt::join(value, ", ")); }

void remember(Construction& here, OptionInfo info) {
    const bool is_known = std::ranges::any_of(here.declared, [&](const OptionInfo& other) {
        return other.section == info.section && other.name == info.name;
    });
    if (!is_known) here.declared.push_back(std::move(info));
}

void refuse(const Config& config, std::string_view section, std::string_view key, std::string_view why) {
    const auto* entry = config.find(section, key);
    if (!entry) throw ConfigError(fmt::format("[{}] \"{}\": {}", section, key, why));
    const auto value = std::string_view{entry->value}.substr(0, max_shown_bytes);
    throw ConfigError(fmt::format("{} \"{} = {}\": {}", config.where(section, *entry), key, value, why));
}

std::optional<Duration> read_duration(std::string_view text) { return Kind<Duration>::read(text); }

namespace detail {

bool declare(std::string_view name, bool fallback, std::string_view help) { return declare_as(name, fallback, help); }
std::int64_t declare(std::string_view name, std::int64_t fallback, std::string_view help) {
    return declare_as(name, fallback, help);
}
Duration declare(std::string_view name, Duration fallback, std::string_view help) {
    return declare_as(name, fallback, help);
}
Size declare(std::string_view name, Size fallback, std::string_view help) { return declare_as(name, fallback, help); }
std::string declare(std::string_view name, std::string fallback, std::string_view help) {
    return declare_as(name, std::move(fallback), help);
}
List declare(std::string_view name, List fallback, std::string_view help) {
    return declare_as(name, std::move(fallback), help);
}

void refuse(std::string_view name, std::string_view why) {
    const auto& here = Construction::current();
    tambo::refuse(here.config, here.section, name, why);
}

void expect_one_of(std::string_view name, std::string_view value, std::initializer_list<std::string_view> choices) {
    if (std::ranges::find(choices, value) != choices.end()) return;
    refuse(name, fmt::format("expected one of: {}", fmt::join(choices, ", ")));
}

}   // namespace detail

}   // namespace tambo
