#include "record.hpp"

#include <charconv>

#include <fmt/format.h>

namespace tambo::last_seen {

namespace {

// UTF-8: a byte 10xxxxxx goes on with the character before it.
bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

std::string_view cut(std::string_view text) {
    if (text.size() <= max_status_bytes) return text;
    auto length = max_status_bytes;
    while (length > 0 && !begins_character(text[length])) --length;
    return text.substr(0, length);
}

}   // namespace

std::string encode(const Record& record) {
    return fmt::format("{} {}", record.at.time_since_epoch().count(), cut(record.status));
}

std::optional<Record> decode(std::string_view row) {
    std::int64_t milliseconds = 0;
    const auto* end = row.data() + row.size();
    const auto [at, error] = std::from_chars(row.data(), row.data() + row.size(), milliseconds);
    if (error != std::errc{} || at == end || *at != ' ') return std::nullopt;
    return Record{Time{std::chrono::milliseconds{milliseconds}}, std::string{at + 1, end}};
}

std::optional<Circle> circle_of(std::string_view name) noexcept {
    if (name == "nobody") return Circle::nobody;
    if (name == "contacts") return Circle::contacts;
    if (name == "everyone") return Circle::everyone;
    return std::nullopt;
}

std::string_view name_of(Circle circle) noexcept {
    switch (circle) {
        case Circle::nobody:
            return "nobody";
        case Circle::contacts:
            return "contacts";
        case Circle::everyone:
            return "everyone";
    }
    return "nobody";
}

}   // namespace tambo::last_seen
