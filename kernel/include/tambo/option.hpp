// Options: typed, with a default, a unit and a sentence, declared where they are used.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
}   // namespace detail

/// A member of a module: `Option<Duration> grace_{"grace", 5s, "how long …"}`. Read it like a const T.
/// It never changes: a new value is a new instance of the module, swapped in.
/// T is bool, std::int64_t, Duration, Size, std::string or List.
template <class T>
class Option {
public:
    Option(std::string_view name, T fallback, std::string_view help)
        : value_(detail::declare(name, std::move(fallback), help)) {}
    const T& operator*() const noexcept { return value_; }
    const T* operator->() const noexcept { return &value_; }
    operator const T&() const noexcept { return value_; }   // NOLINT: reads like the value it is

private:
    T value_;
};

}   // namespace tambo
