// Options: typed, with a default, a unit and a sentence, declared where they are used.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <initializer_list>

#include <tambo/export.hpp>

namespace tambo {

using Duration = std::chrono::milliseconds;   ///< written `250ms`, `5s`, `10m`, `2h`, `7d` in the ini

/// A number of bytes, written `900`, `64K`, `10M`, `1G` in the ini.
struct Size {
    std::uint64_t bytes = 0;
};
using List = std::vector<std::string>;   ///< written `a, b, c`

namespace detail {
// Looks the option up in the section of the module under construction, remembers its declaration for `tambod --check`
// and tambo.ini(5). Throws ConfigError naming file, line, section, key and what was expected.
TAMBO_API bool declare(std::string_view name, bool fallback, std::string_view help);
TAMBO_API std::int64_t declare(std::string_view name, std::int64_t fallback, std::string_view help);
TAMBO_API Duration declare(std::string_view name, Duration fallback, std::string_view help);
TAMBO_API Size declare(std::string_view name, Size fallback, std::string_view help);
TAMBO_API std::string declare(std::string_view name, std::string fallback, std::string_view help);
TAMBO_API List declare(std::string_view name, List fallback, std::string_view help);
[[noreturn]] TAMBO_API void refuse(std::string_view name, std::string_view why);
TAMBO_API void expect_one_of(std::string_view name, std::string_view value,
                             std::initializer_list<std::string_view> choices);
}   // namespace detail

/// A member of a module: `Option<Duration> grace_{"grace", 5s, "how long …"}`. Read it like a const T.
/// It never changes: a new value is a new instance of the module, swapped in.
/// T is bool, std::int64_t, Duration, Size, std::string or List.
template <class T>
class Option {
public:
    Option(std::string_view name, T fallback, std::string_view help)
        : name_(name), value_(detail::declare(name, std::move(fallback), help)) {}
    /// A word out of a few: `Option<std::string> conflict_{"conflict", "replace", "what to do …", {"replace",
    /// "refuse"}}`.
    Option(std::string_view name, T fallback, std::string_view help, std::initializer_list<std::string_view> choices)
        requires std::same_as<T, std::string>
        : Option(name, std::move(fallback), help) {
        detail::expect_one_of(name, value_, choices);
    }
    const T& operator*() const noexcept { return value_; }
    const T* operator->() const noexcept { return &value_; }
    operator const T&() const noexcept { return value_; }   // NOLINT: reads like the value it is

    /// For values that only the module can judge; in its constructor or in wire(). Throws what tells the operator the
    /// file, the line, the key, the value and `why`: "expected a number from 1 to 100".
    [[noreturn]] void refuse(std::string_view why) const { detail::refuse(name_, why); }

private:
    std::string_view name_;   // a literal of the module
    T value_;
};

}   // namespace tambo
