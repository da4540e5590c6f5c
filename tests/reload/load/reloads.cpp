#include "reloads.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace load {

namespace {

constexpr double megabyte = 1 << 20;
constexpr std::size_t turns_per_all = 60;

/// A number out of an answer in JSON.
double figure(const std::string& json, const std::string& name) {
    const auto at = json.find("\"" + name + "\":");
    return at == std::string::npos ? 0 : std::strtod(json.c_str() + at + name.size() + 3, nullptr);
}

double quantile(std::vector<double> all, double share) {
    if (all.empty()) return 0;
    std::ranges::sort(all);
    return all[std::min(all.size() - 1, static_cast<std::size_t>(share * static_cast<double>(all.size())))];
}

}   // namespace

Reloads::Reloads(Tambod& server, unsigned seed, const std::string& only, const std::string& without)
    : server_(server), dice_(seed), modules_(only.empty() ? server.modules() : std::vector{only}) {
    std::erase(modules_, without);
}

void Reloads::perform(std::size_t count, std::chrono::seconds time, const std::function<bool()>& is_hopeless) {
    const auto until = std::chrono::steady_clock::now() + time;
    const auto goes_on = [&] {
        return time.count() > 0 ? std::chrono::steady_clock::now() < until : done_ + refused_ < count;
    };
    for (std::size_t turn = 0; goes_on() && !is_hopeless(); ++turn) {
        const auto index = turn % 2 == 0 ? turn / 2 : dice_();   // in turn and at random
        const bool all_at_once = modules_.size() > 1 && turn % turns_per_all == turns_per_all - 1;
        reload(all_at_once ? std::string{"--all"} : modules_[index % modules_.size()]);
    }
}

void Reloads::reload(const std::string& name) {
    std::string answer;
    try {
        server_.ask({"reload", name, "--json"}, answer);
    } catch (const tambo::ctl::Unreachable& e) {
        throw std::runtime_error{fmt::format("while {} was reloaded: {}", name, e.what())};
    }
    if (answer.find("\"done\":true") != std::string::npos) {
        ++done_;
    } else {
        ++refused_;
        complaints_ += "  reload of " + name + ": " + answer;
    }
    pauses_ms_.push_back(figure(answer, "pause_ms"));
    footprints_.push_back(server_.footprint());
}

// Medians, since clients come and go all the time. The first reloads don't count: caches and heaps fill.
Reloads::Quarter Reloads::quarter(bool is_last) const {
    const auto warm = footprints_.size() / 10;
    const auto size = (footprints_.size() - warm) / 4;
    const auto begin = is_last ? footprints_.size() - size : warm;
    const auto median = [&](auto what) {
        std::vector<double> all;
        for (std::size_t i = begin; i < begin + size; ++i) all.push_back(static_cast<double>(what(footprints_[i])));
        return quantile(std::move(all), 0.5);
    };
    return {median([](const Footprint& f) { return f.resident_bytes; }) / megabyte,
            median([](const Footprint& f) { return f.mappings; }),
            median([](const Footprint& f) { return f.descriptors; })};
}

bool Reloads::is_flat() const {
    constexpr double growth = 1.15, slack_mb = 4, mapping_slack = 16, descriptor_slack = 16;
    const auto first = quarter(false), last = quarter(true);
    return last.resident_mb <= first.resident_mb * growth + slack_mb &&
           last.mappings <= first.mappings + mapping_slack && last.descriptors <= first.descriptors + descriptor_slack;
}

std::string Reloads::summary() const {
    const auto first = quarter(false), last = quarter(true);
    return fmt::format(
        "  shards stood still: p50 {:.3f} ms, p99 {:.3f} ms, max {:.3f} ms\n"
        "  first to last quarter: resident {:.1f} to {:.1f} MB, mappings {} to {}, descriptors {} to {}\n",
        quantile(pauses_ms_, 0.5), quantile(pauses_ms_, 0.99), quantile(pauses_ms_, 1), first.resident_mb,
        last.resident_mb, first.mappings, last.mappings, first.descriptors, last.descriptors);
}

std::string tail(const std::string& log) {
    constexpr std::size_t bytes = 4000;
    return log.size() <= bytes ? log : log.substr(log.size() - bytes);
}

}   // namespace load
