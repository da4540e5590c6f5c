// XEP-0198: what stream management keeps with a session, and the elements that it says.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <tambo/tambo.hpp>

namespace tambo::sm {

inline constexpr std::string_view sm_space = "urn:xmpp:sm:3";
inline constexpr std::size_t id_characters = 24;   // of 36 kinds: 124 bits

/// What a session with stream management is about. Comes back with it after a restart.
///
/// Numbers here are the kernel's, which do not wrap. On the wire "h" counts modulo 2^32 (§4): for what the server
/// sends, h and number are the same but for that, since numbers begin with keep_sent(); for what the client sends, h
/// counts from `in_before`.
struct Stream {
    static constexpr int version = 3;
    static constexpr bool durable = true;
    std::uint64_t in_before = 0;       ///< Session::received() when it was enabled
    std::uint64_t asked = 0;           ///< Session::received() when the client last asked with <r/>
    std::uint64_t told = 0;            ///< Session::accepted() when it was last told
    std::int64_t detached_at_ms = 0;   ///< wall clock
    std::uint32_t max_wait_s = 0;      ///< how long it may stay without connection; 0: it can not be resumed
    bool is_enabled = false;
    bool is_asking = false;   ///< an <r/> is on its way
    bool is_told = false;     ///< <enabled/> was sent
    char id[id_characters] = {};

    std::string_view name() const noexcept { return {id, sizeof id}; }
    bool is_resumable() const noexcept { return is_enabled && max_wait_s > 0; }

    static bool upgrade(int from, std::string_view bytes, Stream& stream) {
        struct Second {   // version 2; what else it had is the kernel's now, or was an uptime
            std::uint32_t in_before, acked, max_wait_s, detached_at_s;
            std::uint64_t unacknowledged_bytes;
            bool is_enabled, is_asking;
            char id[id_characters];
        } old{};
        if (from != 2 || bytes.size() != sizeof old) return false;
        std::memcpy(&old, bytes.data(), sizeof old);
        stream.in_before = old.in_before;
        stream.max_wait_s = old.max_wait_s;
        stream.is_enabled = old.is_enabled;
        stream.is_asking = old.is_asking;
        stream.is_told = true;
        std::memcpy(stream.id, old.id, sizeof stream.id);
        return true;
    }
};

/// The last streams of this account that ended: a client that comes too late still learns what arrived (§5).
struct Ended {
    static constexpr int version = 1;
    struct One {
        char id[id_characters] = {};
        std::uint32_t in = 0;
    };
    One last[2];
};

/// xs:unsignedInt as h and max are; nothing else.
inline std::optional<std::uint32_t> number(std::string_view digits) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

/// The number next to `known` that is `h` modulo 2^32; nothing if that lies behind `known`.
inline std::optional<std::uint64_t> unwrapped(std::uint32_t h, std::uint64_t known) noexcept {
    const auto news = h - static_cast<std::uint32_t>(known);
    if (static_cast<std::int32_t>(news) < 0) return std::nullopt;
    return known + news;
}

inline bool is_true(std::string_view boolean) { return boolean == "true" || boolean == "1"; }

/// Takes the same time wherever the two differ: the id is what lets a client into a session.
inline bool same_secret(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    unsigned difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
    return difference == 0;
}

inline constexpr std::string_view request = "<r xmlns='urn:xmpp:sm:3'/>";
inline std::string answer(std::uint32_t h) { return Writer{}.element("a", sm_space).attribute("h", h).take(); }

inline std::string failed(Condition condition, std::optional<std::uint32_t> h = {}) {
    Writer w;
    w.element("failed", sm_space);
    if (h) w.attribute("h", *h);
    return w.element(to_string(condition), ns::stanza_errors).take();
}

}   // namespace tambo::sm
