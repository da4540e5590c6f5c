// Moments as stores and stamps keep them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <tambo/export.hpp>

namespace tambo {

/// Wall-clock time.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

/// XEP-0082 §3.2: "2026-11-22T07:33:37.120Z"; with whole seconds where the milliseconds are zero.
TAMBO_API std::string format_time(Time time);
/// The same form, with any offset from UTC; nullopt if it is not one.
TAMBO_API std::optional<Time> parse_time(std::string_view text) noexcept;

}   // namespace tambo
