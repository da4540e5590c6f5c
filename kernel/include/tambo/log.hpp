// The log, as modules write it. For the operator at 3 a.m.: what happened, to whom, what the server did, what she can
// do. Never a password, never a message body.
#pragma once

#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include <tambo/export.hpp>

namespace tambo {

enum class Level : std::uint8_t { debug, info, warning, error };

/// Where lines go. The kernel adds time and the name of the module.
class TAMBO_API Log {
public:
    virtual bool enabled(Level level) const noexcept = 0;
    virtual void write(Level level, std::string_view line) noexcept = 0;

    template <class... A>
    void debug(fmt::format_string<A...> f, A&&... a) {
        say(Level::debug, f, std::forward<A>(a)...);
    }
    template <class... A>
    void info(fmt::format_string<A...> f, A&&... a) {
        say(Level::info, f, std::forward<A>(a)...);
    }
    template <class... A>
    void warning(fmt::format_string<A...> f, A&&... a) {
        say(Level::warning, f, std::forward<A>(a)...);
    }
    template <class... A>
    void error(fmt::format_string<A...> f, A&&... a) {
        say(Level::error, f, std::forward<A>(a)...);
    }

protected:
    ~Log() = default;

private:
    template <class... A>
    void say(Level level, fmt::format_string<A...> f, A&&... a) {
        if (enabled(level)) write(level, fmt::format(f, std::forward<A>(a)...));
    }
};

}   // namespace tambo
