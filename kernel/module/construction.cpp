#include "module/construction.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace tambo {

namespace {

thread_local Construction* innermost = nullptr;

// How many insertions, deletions and replacements lead from one name to the other.
std::size_t distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> row(to.size() + 1);
    for (std::size_t j = 0; j <= to.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= from.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= to.size(); ++j) {
            const std::size_t replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row.back();
}

// The known name that was probably meant; empty if none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& known) {
    constexpr std::size_t longest_sensible_name = 100;
    if (name.size() > longest_sensible_name) return {};
    std::string best;
    std::size_t best_distance = 2 + name.size() / 4;
    for (const auto& candidate : known) {
        const auto d = distance(name, candidate);
        if (d >= best_distance || d >= std::max(name.size(), candidate.size())) continue;
        best_distance = d;
        best = candidate;
    }
    return best;
}

bool matches(std::string_view pattern, std::string_view section) {
    if (!pattern.ends_with('*')) return pattern == section;
    pattern.remove_suffix(1);
    return section.size() > pattern.size() && section.starts_with(pattern);
}

bool is_known(std::string_view section, const std::vector<OptionInfo>& declared,
              const std::vector<std::string>& sections) {
    return std::ranges::any_of(sections, [&](const auto& pattern) { return matches(pattern, section); }) ||
           std::ranges::any_of(declared, [&](const auto& option) { return option.section == section; });
}

// "[listner c2s]" is "listener c2s" misspelt: for a pattern, the name that the section would have with its first word
// right.
std::string spelt_as(std::string pattern, std::string_view section) {
    if (!pattern.ends_with('*')) return pattern;
    pattern.pop_back();
    const auto gap = section.find(' ');
    return gap == std::string_view::npos ? pattern + "NAME" : pattern + std::string{section.substr(gap + 1)};
}

std::vector<std::string> section_names(std::string_view meant, const std::vector<OptionInfo>& declared,
                                       const std::vector<std::string>& sections) {
    std::vector<std::string> names;
    names.reserve(declared.size() + sections.size());
    for (const auto& option : declared) names.push_back(option.section);
    for (const auto& pattern : sections) names.push_back(spelt_as(pattern, meant));
    return names;
}

std::vector<std::string> key_names(std::string_view section, const std::vector<OptionInfo>& declared) {
    std::vector<std::string> names;
    for (const auto& option : declared)
        if (option.section == section) names.push_back(option.name);
    return names;
}

std::string hint(std::string_view meant) {
    return meant.empty() ? std::string{} : fmt::format("; did you mean {}?", meant);
}

std::string place(const Config& config, const Config::Section& section) {
    return config.where(section.name, Config::Entry{{}, {}, section.line});
}

void complain_of_keys(const Config& config, const Config::Section& section, const std::vector<OptionInfo>& declared,
                      std::vector<std::string>& all) {
    const auto known = key_names(section.name, declared);
    for (const auto& entry : section.entries) {
        if (std::ranges::find(known, entry.key) != known.end()) continue;
        all.push_back(fmt::format("{} \"{} = {}\": unknown key{}", config.where(section.name, entry), entry.key,
                                  entry.value, hint(nearest(entry.key, known))));
    }
}

}   // namespace

Construction::Construction(Host* with_host, const Config& from, std::string of_section, std::vector<OptionInfo>& into)
    : host(with_host), config(from), section(std::move(of_section)), declared(into), outer_(innermost) {
    innermost = this;
}

Construction::~Construction() { innermost = outer_; }

void detail::declare_slot(SlotInfo info) {
    if (innermost != nullptr) innermost->slots.push_back(std::move(info));
}

Construction& Construction::current() {
    if (!innermost) throw std::logic_error("options and modules are made by the kernel only");
    return *innermost;
}

std::vector<std::string> complaints(const Config& config, const std::vector<OptionInfo>& declared,
                                    const std::vector<std::string>& sections) {
    std::vector<std::string> all;
    for (const auto& section : config.sections()) {
        if (is_known(section.name, declared, sections)) {
            complain_of_keys(config, section, declared, all);
        } else if (!section.name.starts_with("module ") || !section.entries.empty()) {
            const auto meant = nearest(section.name, section_names(section.name, declared, sections));
            all.push_back(place(config, section) + ": unknown section" +
                          hint(meant.empty() ? meant : '[' + meant + ']'));
        }
    }
    return all;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& known) {
    return hint(nearest(name, known));
}

}   // namespace tambo
