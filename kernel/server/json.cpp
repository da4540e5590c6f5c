#include "server/json.hpp"

#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "server/escape.hpp"

namespace tambo {

std::string json_safe(std::string_view text) {
    std::string safe;
    walk_characters(
        text,
        [&](std::int32_t c, std::string_view character) {
            if (c == '"' || c == '\\') safe += '\\';
            safe += character;
        },
        [&](std::int32_t c, std::string_view) {
            fmt::format_to(std::back_inserter(safe), "\\u{:04x}", c < 0 ? 0xFFFD : c);
        });
    return safe;
}

Json& Json::key(std::string_view name) {
    value(name);
    text_ += ':';
    last_ = ':';
    return *this;
}

Json& Json::value(std::string_view text) { return literal('"' + json_safe(text) + '"'); }

Json& Json::value(double number) {
    return literal(std::isfinite(number) ? fmt::format("{:.3f}", number) : std::string{"null"});
}

Json& Json::open(char bracket) {
    separate();
    text_ += bracket;
    last_ = bracket;
    return *this;
}

Json& Json::close(char bracket) {
    text_ += bracket;
    last_ = bracket;
    return *this;
}

Json& Json::literal(std::string_view text) {
    separate();
    text_ += text;
    last_ = '"';
    return *this;
}

void Json::separate() {
    if (last_ != '{' && last_ != '[' && last_ != ':') text_ += ',';
}

}   // namespace tambo
