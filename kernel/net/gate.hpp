// Who may come in, and how much: limits per address on connections, failed logins, registrations and bytes (RFC 6120
// §13.12).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include <tambo/option.hpp>

struct sockaddr;

namespace tambo {

/// Where a connection comes from, as far as limits go: an IPv4 address, or the /64 of an IPv6 address, which is what
/// one customer gets. An IPv4-mapped IPv6 address counts as the IPv4 address; everything that is not IP (a socket pair,
/// a Unix socket) is one place.
class Origin {
public:
    Origin() = default;
    static Origin of(const sockaddr& address) noexcept;       ///< a complete sockaddr_in, sockaddr_in6 or another
    static Origin parse(std::string_view address) noexcept;   ///< "192.0.2.1", "2001:db8::1"; not IP if unreadable

    friend bool operator==(const Origin&, const Origin&) = default;
    std::size_t hash() const noexcept;

private:
    static Origin of_v6(const std::uint8_t* bytes) noexcept;
    static Origin of_v4(const std::uint8_t* bytes) noexcept;
    std::array<std::uint8_t, 16> bytes_{};
};

/// Counts what each origin does and says when it is too much. Nobody is exempt. Thread-safe; asked once for each
/// connection, login and registration, never for a stanza; where bytes are limited, once for each read from a socket.
///
/// Allowances refill evenly: with `auth_failures` 10 and `auth_window` 1 min, ten may fail at once, and one more every
/// six seconds. An origin without connections whose allowances are full again is forgotten. Should ever more than
/// `origins` be known, those not heard of for longest are forgotten early, so that memory has a limit too.
class Gate {
public:
    struct Limits {   ///< 0: no limit
        std::size_t connections = 0;
        std::size_t connections_per_address = 0;
        std::uint32_t auth_failures = 0;
        Duration auth_window = std::chrono::minutes{1};
        std::uint32_t registrations = 0;
        Duration registration_window = std::chrono::hours{1};
        std::uint64_t bytes_per_second = 0;
        std::uint64_t burst_bytes = 0;   ///< what an origin may send at once before bytes_per_second slows it down
        std::size_t origins = 100'000;
    };

    explicit Gate(const Limits& limits);

    /// A connection is there: may it stay? If so, `leave` must follow when it closes. `now`: steady time, here and
    /// below.
    bool admit(const Origin& origin, Duration now);
    void leave(const Origin& origin, Duration now);

    void auth_failed(const Origin& origin, Duration now);
    bool may_authenticate(const Origin& origin, Duration now);   ///< false: too many failures, answer without trying
    bool may_register(const Origin& origin, Duration now);       ///< true uses one up

    /// So many bytes were read from one of the origin's connections. Gives the time for which nothing more should be
    /// read from that one: all of them pay from the same allowance.
    Duration pay(const Origin& origin, std::size_t bytes, Duration now);

    std::size_t connections() const;
    std::size_t known_origins() const;

private:
    /// How much of an allowance is used up, and when that was true.
    struct Bucket {
        double used = 0;
        Duration at{};
        double level(Duration now, double allowed, Duration window) const noexcept;
        void take(Duration now, double allowed, Duration window) noexcept;
        void set(double level, Duration now) noexcept;
    };
    struct Entry {
        std::size_t connections = 0;
        Bucket failures, registrations, bytes;
        Duration touched{};
    };
    struct Hash {
        std::size_t operator()(const Origin& origin) const noexcept { return origin.hash(); }
    };
    using Entries = std::unordered_map<Origin, Entry, Hash>;

    Entry& entry(const Origin& origin, Duration now);
    void forget_idle(Duration now);
    void forget_oldest();
    bool is_idle(const Entry& entry, Duration now) const noexcept;
    double owed_bytes(const Entry& entry, Duration now) const noexcept;

    const Limits limits_;
    mutable std::mutex mutex_;
    Entries entries_;
    std::size_t connections_ = 0;
    std::size_t sweep_at_;   ///< number of entries at which to look for idle ones
};

}   // namespace tambo
