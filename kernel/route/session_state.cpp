#include "route/session_state.hpp"

#include <cstring>

namespace tambo {

namespace {

constexpr std::uint64_t form = 1;

void put(std::string& out, std::uint64_t number) {
    char bytes[sizeof number];
    std::memcpy(bytes, &number, sizeof number);
    out.append(bytes, sizeof number);
}

void put(std::string& out, std::string_view text) {
    put(out, text.size());
    out.append(text);
}

/// Gives zeros and empty texts behind the end, and remembers that.
class Unpacking {
public:
    explicit Unpacking(std::string_view bytes) noexcept : rest_(bytes) {}
    bool failed() const noexcept { return failed_; }

    std::uint64_t number() noexcept {
        std::uint64_t number = 0;
        const auto bytes = take(sizeof number);
        if (!failed_) std::memcpy(&number, bytes.data(), sizeof number);
        return number;
    }
    std::string_view text() noexcept { return take(number()); }

private:
    std::string_view take(std::uint64_t size) noexcept {
        failed_ = failed_ || size > rest_.size();
        if (failed_) return {};
        const auto taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    std::string_view rest_;
    bool failed_ = false;
};

std::uint64_t to_number(Time time) { return static_cast<std::uint64_t>(time.time_since_epoch().count()); }
Time to_time(std::uint64_t number) { return Time{Time::duration{static_cast<std::int64_t>(number)}}; }

}   // namespace

std::string SessionState::pack() const {
    std::string out;
    put(out, form);
    put(out, to_number(since));
    put(out, to_number(active));
    put(out, static_cast<std::uint64_t>(static_cast<std::int64_t>(priority)));
    put(out, presence);
    put(out, max_kept);
    put(out, slots.size());
    for (const auto& [name, bytes] : slots) {
        put(out, name);
        put(out, bytes);
    }
    return out;
}

std::optional<SessionState> SessionState::unpack(std::string_view bytes) {
    Unpacking in{bytes};
    if (in.number() != form) return std::nullopt;
    SessionState state;
    state.since = to_time(in.number());
    state.active = to_time(in.number());
    state.priority = static_cast<int>(static_cast<std::int64_t>(in.number()));
    state.presence = in.text();
    state.max_kept = in.number();
    for (auto left = in.number(); left > 0 && !in.failed(); --left) {
        const auto name = in.text();
        state.slots.emplace_back(name, in.text());
    }
    if (in.failed()) return std::nullopt;
    return state;
}

}   // namespace tambo
