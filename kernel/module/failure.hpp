// What module code throws, as text: its exception types may be unloaded tomorrow.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace tambo {

/// Runs `f`, which gives a complaint or nothing; what it threw is a complaint, too.
template <class F>
std::string text_of_failure(F&& f) noexcept {
    try {
        return std::forward<F>(f)();
    } catch (const std::exception& e) {
        const std::string text = e.what();
        return text.empty() ? "an exception without a text" : text;
    } catch (...) {
        return "an unknown exception";
    }
}

}   // namespace tambo
