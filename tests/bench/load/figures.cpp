#include "figures.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

namespace bench {

void Histogram::add(std::uint64_t value) noexcept {
    ++count_;
    sum_ += value;
    most_ = std::max(most_, value);
    ++cells_[index(value)];
}

std::uint32_t Histogram::index(std::uint64_t value) noexcept {
    if (value < steps) return static_cast<std::uint32_t>(value);
    value = std::min(value, (std::uint64_t{1} << largest_bits) - 1);
    const auto shift = static_cast<std::uint32_t>(std::bit_width(value)) - 1 - bits;
    return ((shift + 1) << bits) + (static_cast<std::uint32_t>(value >> shift) & (steps - 1));
}

double Histogram::value(std::uint32_t index) noexcept {
    if (index < steps) return index;
    const auto shift = (index >> bits) - 1;
    return (steps + (index & (steps - 1)) + 0.5) * static_cast<double>(std::uint64_t{1} << shift);
}

double Histogram::percentile(double percent) const noexcept {
    const auto wanted = std::max(1.0, std::ceil(percent / 100 * static_cast<double>(count_)));
    double seen = 0;
    for (std::uint32_t i = 0; i < cells_.size(); ++i) {
        seen += cells_[i];
        if (seen >= wanted) return std::min(value(i), static_cast<double>(most_));
    }
    return static_cast<double>(most_);
}

void Json::key(std::string_view key) {
    if (text_.size() > 1) text_ += ", ";
    text_.append("\"").append(key).append("\": ");
}

Json& Json::add(std::string_view name, double value) {
    key(name);
    const bool is_whole = value == std::floor(value) && std::fabs(value) < 1e15;
    text_ += !std::isfinite(value) ? "null" : is_whole ? fmt::format("{:.0f}", value) : fmt::format("{:.6g}", value);
    return *this;
}

Json& Json::add(std::string_view name, std::string_view value) {
    key(name);
    text_ += '"';
    for (const char c : value) {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c;
    }
    text_ += '"';
    return *this;
}

Json& Json::add_unless_zero(std::string_view name, std::uint64_t value) {
    return value == 0 ? *this : add(name, static_cast<double>(value));
}

Json& Json::add(std::string_view name, const Histogram& histogram, double unit_ns) {
    add(fmt::format("{}_n", name), static_cast<double>(histogram.count()));
    if (histogram.count() == 0) return *this;
    add(fmt::format("{}_mean", name), histogram.mean() / unit_ns);
    for (const auto& [suffix, percent] : {std::pair{"p50", 50.0}, {"p90", 90.0}, {"p99", 99.0}, {"p999", 99.9}})
        add(fmt::format("{}_{}", name, suffix), histogram.percentile(percent) / unit_ns);
    return add(fmt::format("{}_max", name), static_cast<double>(histogram.most()) / unit_ns);
}

void Json::print() const {
    std::puts((text_ + '}').c_str());
    std::fflush(stdout);
}

void Counters::add_to(Json& json) const {
    json.add_unless_zero("failed", failed).add_unless_zero("retried", retried).add_unless_zero("dropped", dropped);
    json.add_unless_zero("no_connection", no_connection).add_unless_zero("reset", reset);
    json.add_unless_zero("no_tls", no_tls).add_unless_zero("refused", refused);
    json.add_unless_zero("stream_error", stream_error).add_unless_zero("timed_out", timed_out);
    json.add_unless_zero("odd", odd).add_unless_zero("misrouted", misrouted).add_unless_zero("bounced", bounced);
    json.add_unless_zero("stale", stale).add_unless_zero("unexpected", unexpected).add_unless_zero("unsent", unsent);
}

}   // namespace bench
