#include "net/gate.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cmath>
#include <cstring>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace tambo {

namespace {

constexpr std::size_t first_sweep = 1024;
constexpr std::array<std::uint8_t, 12> v4_mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};   // RFC 4291 §2.5.5.2
constexpr std::size_t v6_customer_bytes = 8;
constexpr double longest_wait_ms = 3'600'000;   // then it is asked again

}   // namespace

Origin Origin::of_v4(const std::uint8_t* bytes) noexcept {
    Origin origin;
    std::copy(v4_mapped.begin(), v4_mapped.end(), origin.bytes_.begin());
    std::copy_n(bytes, 4, origin.bytes_.begin() + v4_mapped.size());
    return origin;
}

Origin Origin::of_v6(const std::uint8_t* bytes) noexcept {
    if (std::equal(v4_mapped.begin(), v4_mapped.end(), bytes)) return of_v4(bytes + v4_mapped.size());
    Origin origin;
    std::copy_n(bytes, v6_customer_bytes, origin.bytes_.begin());
    origin.bytes_.back() = 6;   // so that ::/64 is not the place of those without an address
    return origin;
}

Origin Origin::of(const sockaddr& address) noexcept {
    if (address.sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        return of_v4(reinterpret_cast<const std::uint8_t*>(&v4.sin_addr));
    }
    if (address.sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address, sizeof v6);
        return of_v6(v6.sin6_addr.s6_addr);
    }
    return {};
}

Origin Origin::parse(std::string_view address) noexcept {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.size() >= text.size()) return {};
    std::copy(address.begin(), address.end(), text.begin());
    std::array<std::uint8_t, 16> bytes{};
    if (inet_pton(AF_INET, text.data(), bytes.data()) == 1) return of_v4(bytes.data());
    if (inet_pton(AF_INET6, text.data(), bytes.data()) == 1) return of_v6(bytes.data());
    return {};
}

std::size_t Origin::hash() const noexcept {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()});
}

double Gate::Bucket::level(Duration now, double allowed, Duration window) const noexcept {
    const auto passed = static_cast<double>(std::max(now - at, Duration::zero()).count());
    const auto whole = static_cast<double>(std::max(window, Duration{1}).count());
    return std::max(0.0, used - passed / whole * allowed);
}

void Gate::Bucket::take(Duration now, double allowed, Duration window) noexcept {
    set(std::min(level(now, allowed, window) + 1, allowed), now);
}

void Gate::Bucket::set(double level, Duration now) noexcept {
    used = level;
    at = now;
}

Gate::Gate(const Limits& limits) : limits_(limits), sweep_at_(first_sweep) {}

bool Gate::admit(const Origin& origin, Duration now) {
    const std::scoped_lock lock{mutex_};
    if (limits_.connections != 0 && connections_ >= limits_.connections) return false;
    Entry& known = entry(origin, now);
    if (limits_.connections_per_address != 0 && known.connections >= limits_.connections_per_address) return false;
    ++known.connections;
    ++connections_;
    return true;
}

void Gate::leave(const Origin& origin, Duration now) {
    const std::scoped_lock lock{mutex_};
    const auto found = entries_.find(origin);
    if (found == entries_.end() || found->second.connections == 0) return;
    --found->second.connections;
    --connections_;
    if (is_idle(found->second, now)) entries_.erase(found);
}

void Gate::auth_failed(const Origin& origin, Duration now) {
    if (limits_.auth_failures == 0) return;
    const std::scoped_lock lock{mutex_};
    entry(origin, now).failures.take(now, limits_.auth_failures, limits_.auth_window);
}

bool Gate::may_authenticate(const Origin& origin, Duration now) {
    if (limits_.auth_failures == 0) return true;
    const std::scoped_lock lock{mutex_};
    const auto found = entries_.find(origin);
    if (found == entries_.end()) return true;
    const double used = found->second.failures.level(now, limits_.auth_failures, limits_.auth_window);
    return used + 1 <= limits_.auth_failures;
}

bool Gate::may_register(const Origin& origin, Duration now) {
    if (limits_.registrations == 0) return true;
    const std::scoped_lock lock{mutex_};
    Bucket& bucket = entry(origin, now).registrations;
    if (bucket.level(now, limits_.registrations, limits_.registration_window) + 1 > limits_.registrations) return false;
    bucket.take(now, limits_.registrations, limits_.registration_window);
    return true;
}

Duration Gate::pay(const Origin& origin, std::size_t bytes, Duration now) {
    if (limits_.bytes_per_second == 0) return Duration::zero();
    const std::scoped_lock lock{mutex_};
    Entry& payer = entry(origin, now);
    // What was read beyond the allowance stays a debt, however many connections made it: it is not capped.
    payer.bytes.set(owed_bytes(payer, now) + static_cast<double>(bytes), now);
    const double debt = payer.bytes.used - static_cast<double>(limits_.burst_bytes);
    if (debt <= 0) return Duration::zero();
    const double wait = std::min(debt * 1000 / static_cast<double>(limits_.bytes_per_second), longest_wait_ms);
    return Duration{static_cast<Duration::rep>(std::ceil(wait))};
}

double Gate::owed_bytes(const Entry& entry, Duration now) const noexcept {
    return entry.bytes.level(now, static_cast<double>(limits_.bytes_per_second), std::chrono::seconds{1});
}

std::size_t Gate::connections() const {
    const std::scoped_lock lock{mutex_};
    return connections_;
}

std::size_t Gate::known_origins() const {
    const std::scoped_lock lock{mutex_};
    return entries_.size();
}

Gate::Entry& Gate::entry(const Origin& origin, Duration now) {
    if (const auto found = entries_.find(origin); found != entries_.end()) {
        found->second.touched = now;
        return found->second;
    }
    if (entries_.size() >= std::min(sweep_at_, limits_.origins)) forget_idle(now);
    if (entries_.size() >= limits_.origins) forget_oldest();
    Entry& fresh = entries_[origin];
    fresh.touched = now;
    return fresh;
}

bool Gate::is_idle(const Entry& entry, Duration now) const noexcept {
    return entry.connections == 0 && entry.failures.level(now, limits_.auth_failures, limits_.auth_window) == 0 &&
           entry.registrations.level(now, limits_.registrations, limits_.registration_window) == 0 &&
           owed_bytes(entry, now) == 0;
}

void Gate::forget_idle(Duration now) {
    std::erase_if(entries_, [&](const auto& known) { return is_idle(known.second, now); });
    sweep_at_ = std::max(first_sweep, entries_.size() * 2);   // so that looking stays cheap on average
}

void Gate::forget_oldest() {
    std::vector<Duration> ages;
    for (const auto& [origin, known] : entries_) {
        if (known.connections == 0) ages.push_back(known.touched);
    }
    if (ages.empty()) return;   // as many as there are connections, and these have a limit of their own
    const auto quarter = ages.begin() + static_cast<std::ptrdiff_t>(ages.size() / 4);
    std::nth_element(ages.begin(), quarter, ages.end());
    const Duration limit = *quarter;
    std::erase_if(entries_,
                  [&](const auto& known) { return known.second.connections == 0 && known.second.touched <= limit; });
}

}   // namespace tambo
