#include "pattern.hpp"

#include <algorithm>
#include <stdexcept>

namespace play {

namespace {

// How {any} and {only} inside of a tag look to the XML parser.
constexpr std::string_view any_mark = "play-any";
constexpr std::string_view only_mark = "play-only";

std::string_view trim(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const auto first = text.find_first_not_of(space);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(space) - first + 1);
}

bool is_reserved(std::string_view name) {
    return name == "any" || name == "none" || name == "only" || name.starts_with("keep ");
}

/// Compares one value (attribute or text), keeping it if the pattern says so.
bool value_fits(std::string_view wanted, std::string_view actual, Names& names) {
    if (wanted == "{any}") return true;
    constexpr std::string_view keep = "{keep ";
    if (wanted.starts_with(keep) && wanted.ends_with('}')) {
        names[std::string{wanted.substr(keep.size(), wanted.size() - keep.size() - 1)}] = actual;
        return true;
    }
    return wanted == actual;
}

std::string attributes_mismatch(const Node& pattern, const Node& actual, Names& names) {
    for (const auto& [name, wanted] : pattern.attributes) {
        if (name == only_mark) continue;
        const auto* value = actual.attribute(name);
        if (wanted == "{none}") {
            if (value != nullptr) return "<" + actual.name + "> has " + name + "='" + *value + "'";
        } else if (value == nullptr)
            return "<" + actual.name + "> has no " + name;
        else if (!value_fits(wanted, *value, names))
            return "<" + actual.name + "> has " + name + "='" + *value + "', not '" + wanted + "'";
    }
    return {};
}

/// Each child of the pattern finds a child of its own; the order is free.
std::string children_mismatch(const Node& pattern, const Node& actual, Names& names) {
    std::vector<bool> is_taken(actual.children.size());
    for (const auto& wanted : pattern.children) {
        std::string why = "<" + actual.name + "> has no <" + wanted.name + ">";
        bool is_found = false;
        for (std::size_t i = 0; i < actual.children.size() && !is_found; ++i) {
            if (is_taken[i] || actual.children[i].name != wanted.name) continue;
            why = mismatch(wanted, actual.children[i], names);
            is_found = is_taken[i] = why.empty();
        }
        if (!is_found) return why;
    }
    if (pattern.attribute(only_mark) != nullptr && pattern.children.size() != actual.children.size())
        return "<" + actual.name + "> has more in it than was wanted";
    return {};
}

std::string node_mismatch(const Node& pattern, const Node& actual, Names& names) {
    if (pattern.name != actual.name) return "it is <" + actual.name + ">, not <" + pattern.name + ">";
    if (!pattern.space.empty() && pattern.space != actual.space)
        return "<" + actual.name + "> is in namespace " + actual.space;
    if (pattern.attribute(any_mark) != nullptr) return {};
    if (auto why = attributes_mismatch(pattern, actual, names); !why.empty()) return why;
    const auto text = trim(pattern.text);
    if (!text.empty() && !value_fits(text, trim(actual.text), names))
        return "<" + actual.name + "> says \"" + std::string{trim(actual.text)} + "\"";
    return children_mismatch(pattern, actual, names);
}

}   // namespace

std::string expand(std::string_view text, const Names& names) {
    std::string out;
    while (true) {
        const auto open = text.find('{');
        out += text.substr(0, open);
        if (open == std::string_view::npos) return out;
        const auto close = text.find('}', open);
        if (close == std::string_view::npos) throw std::runtime_error{"a brace is not closed"};
        const auto name = text.substr(open + 1, close - open - 1);
        if (const auto found = names.find(name); found != names.end())
            out += found->second;
        else if (is_reserved(name))
            out += text.substr(open, close - open + 1);
        else
            throw std::runtime_error{"nobody knows {" + std::string{name} + "}"};
        text.remove_prefix(close + 1);
    }
}

std::vector<Node> read_pattern(std::string_view text) {
    std::string xml;
    char quote = 0;
    bool is_in_tag = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (is_in_tag && quote == 0 && c == '{') {
            const auto close = text.find('}', i);
            const auto word = text.substr(i, close == std::string_view::npos ? close : close - i + 1);
            if (word != "{any}" && word != "{only}")
                throw std::runtime_error{"only {any} or {only} can stand in a tag"};
            xml += std::string{word == "{any}" ? any_mark : only_mark} + "=''";
            i = close;
            continue;
        }
        if (quote != 0)
            quote = c == quote ? '\0' : quote;
        else if (is_in_tag && (c == '\'' || c == '"'))
            quote = c;
        else if (c == '<')
            is_in_tag = true;
        else if (c == '>')
            is_in_tag = false;
        xml += c;
    }
    return read_open_fragment(xml);
}

std::string mismatch(const Node& pattern, const Node& actual, Names& names) {
    auto kept = names;
    auto why = node_mismatch(pattern, actual, kept);
    if (why.empty()) names = std::move(kept);
    return why;
}

}   // namespace play
