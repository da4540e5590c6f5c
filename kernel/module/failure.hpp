// What module code throws, as text: its exception types may be unloaded tomorrow.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tambo {

/// … of a type that is nobody's business.
inline constexpr std::string_view unknown_exception = "unknown exception";

/// Runs `f`, which gives a complaint, an empty one or nothing at all; what it threw is a complaint, too.
template <class F>
std::string text_of_failure(F&& f) noexcept {
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
            std::forward<F>(f)();
            return {};
        } else {
            return std::forward<F>(f)();
        }
    } catch (const std::exception& e) {
        const std::string text = e.what();
        return text.empty() ? "an exception without a text" : text;
    } catch (...) {
        return std::string{unknown_exception};
    }
}

}   // namespace tambo
