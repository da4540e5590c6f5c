// What is kept of a user's last visit, and who may know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tambo/time.hpp>

namespace tambo::last_seen {

/// When somebody was last here, and what the goodbye said (XEP-0012 §3).
struct Record {
    Time at{};
    std::string status = {};

    friend bool operator==(const Record&, const Record&) = default;
};

inline constexpr std::size_t max_status_bytes = 1024;

/// The row's value. A status beyond max_status_bytes is cut, between two characters.
std::string encode(const Record& record);
/// nullopt if these are not bytes that encode() wrote.
std::optional<Record> decode(std::string_view row);

/// Who may see when a user was last here.
enum class Circle : std::uint8_t { nobody, contacts, everyone };

/// nullopt if it is none of "nobody", "contacts", "everyone".
std::optional<Circle> circle_of(std::string_view name) noexcept;
std::string_view name_of(Circle circle) noexcept;

}   // namespace tambo::last_seen
