// What a sender may know of one message, and how the store keeps it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/jid.hpp>
#include <tambo/time.hpp>

namespace tambo::ticks {

inline constexpr std::string_view ticks_space = "urn:tambo:ticks:0";   // man/ticks.md
inline constexpr std::size_t max_id_bytes = 256;                       // longer ones are not watched
inline constexpr std::size_t max_devices = 16;                         // of one message; further ones are left out

/// How much is told. Each level includes those below it.
enum class Show : std::uint8_t { nothing, accepted, delivered, read };
std::optional<Show> show_of(std::string_view name) noexcept;
std::string_view name_of(Show show) noexcept;

/// How a message ended that did not reach anybody.
enum class Failure : std::uint8_t { none, dropped, refused };
std::string_view name_of(Failure failure) noexcept;

/// One of the recipient's devices. A time of zero: not yet.
struct Device {
    std::string jid;   ///< full; bare, if it did not say which one it is
    Time delivered{}, read{};
    bool operator==(const Device&) const = default;
};

struct Record {
    std::string with;        ///< bare JID of who gets it
    std::string id;          ///< the message's attribute
    std::string stable_id;   ///< XEP-0359, by the recipient's server
    Time sent{}, accepted{}, failed{};
    Failure failure = Failure::none;
    std::vector<Device> devices{};
    bool operator==(const Record&) const = default;

    bool is_read() const noexcept;
    Time changed() const noexcept;   ///< the latest of all its times
    /// The device of that name; null if it is a new one and there is no more room.
    Device* device(std::string_view jid);
};

/// Where it lies in the store: by peer, so that what one conversation has lies together. No JID has a line end in it.
std::string key_of(std::string_view with, std::string_view id);
std::string encode(const Record& record);
std::optional<Record> decode(std::string_view key, std::string_view value);

inline std::int64_t count(Time time) noexcept { return time.time_since_epoch().count(); }
inline Time moment(std::int64_t milliseconds) noexcept { return Time{std::chrono::milliseconds{milliseconds}}; }

}   // namespace tambo::ticks
