// How each type of option is called, read and written, and how one is declared.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <tambo/option.hpp>

#include "module/construction.hpp"
#include "server/options.hpp"

namespace tambo {

std::string_view trimmed(std::string_view text);   ///< without white space around it

/// The whole text, and nothing else.
template <class T>
std::optional<T> whole_number(std::string_view text) {
    T number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// How one type of option is called, read and written.
template <class T>
struct Kind;

template <>
struct Kind<bool> {
    static constexpr std::string_view name = "yes or no", expected = "yes or no";
    static std::optional<bool> read(std::string_view text);
    static std::string write(bool value);
};

template <>
struct Kind<std::int64_t> {
    static constexpr std::string_view name = "number", expected = "a whole number such as 10";
    static std::optional<std::int64_t> read(std::string_view text);
    static std::string write(std::int64_t value);
};

template <>
struct Kind<Duration> {
    static constexpr std::string_view name = "duration", expected = "a duration such as 5s";
    static std::optional<Duration> read(std::string_view text);
    static std::string write(Duration value);
};

template <>
struct Kind<Size> {
    static constexpr std::string_view name = "size", expected = "a size such as 64K";
    static std::optional<Size> read(std::string_view text);
    static std::string write(Size value);
};

template <>
struct Kind<std::string> {
    static constexpr std::string_view name = "text", expected = "a text";
    static std::optional<std::string> read(std::string_view text);
    static std::string write(const std::string& value);
};

template <>
struct Kind<List> {
    static constexpr std::string_view name = "list", expected = "a list such as a, b, c";
    static std::optional<List> read(std::string_view text);
    static std::string write(const List& value);
};

/// Once for each option: every shard makes its own instance of a module.
void remember(Construction& here, OptionInfo info);

/// What the ini says of this option of the thing that is being made; else `fallback`. Throws ConfigError.
template <class T>
T declare_as(std::string_view name, T fallback, std::string_view help) {
    auto& here = Construction::current();
    remember(here, {here.section, std::string{name}, std::string{Kind<T>::name}, Kind<T>::write(fallback),
                    std::string{help}});
    const auto* entry = here.config.find(here.section, name);
    if (!entry) return fallback;
    auto value = Kind<T>::read(trimmed(entry->value));
    if (!value) refuse(here.config, here.section, name, fmt::format("expected {}", Kind<T>::expected));
    return std::move(*value);
}

}   // namespace tambo
