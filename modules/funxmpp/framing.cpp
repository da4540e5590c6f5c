#include "framing.hpp"

#include <algorithm>
#include <array>

namespace tambo::funxmpp {

namespace {

using namespace std::string_view_literals;

using State = Found::State;

constexpr std::size_t header_bytes = 3;
constexpr std::string_view routing = "ED\x00\x01"sv;
constexpr std::array<Dialect, 3> dialects{Dialect::classic, Dialect::md, Dialect::page};

std::size_t number24(std::string_view bytes) noexcept {
    const auto at = [&](std::size_t i) -> std::size_t { return static_cast<unsigned char>(bytes[i]); };
    return at(0) << 16U | at(1) << 8U | at(2);
}

bool is_begun(std::string_view bytes, std::string_view whole) noexcept {
    return bytes.substr(0, whole.size()) == whole.substr(0, bytes.size());
}

/// Classic has four flags and twenty bits of length.
std::size_t most_payload(Dialect dialect) noexcept { return dialect == Dialect::md ? 0xff'ffff : 0xf'ffff; }

}   // namespace

std::string_view prologue(Dialect dialect) noexcept {
    switch (dialect) {
        case Dialect::md:
            return "WA\x06\x03"sv;
        case Dialect::page:
            return "WAt\x01"sv;
        case Dialect::classic:
            break;
    }
    return "WA\x01\x05"sv;
}

Found find_prologue(std::string_view bytes, Dialect& dialect) noexcept {
    std::size_t skipped = 0;
    if (!bytes.empty() && is_begun(bytes, routing)) {
        if (bytes.size() < routing.size() + header_bytes) return {};
        skipped = routing.size() + header_bytes + number24(bytes.substr(routing.size()));
        constexpr std::size_t most_routing = 4096;
        if (skipped > most_routing) return {.state = State::refused, .fault = Fault::bad_prologue};
        if (bytes.size() <= skipped) return {};
    }
    const auto rest = bytes.substr(skipped);
    for (const auto each : dialects) {
        const auto whole = prologue(each);
        if (!is_begun(rest, whole) || (skipped > 0 && each != Dialect::md)) continue;
        if (rest.size() < whole.size()) return {};
        dialect = each;
        return {.state = State::whole, .used = skipped + whole.size()};
    }
    return {.state = State::refused, .fault = Fault::bad_prologue};
}

Found find_frame(std::string_view bytes, Dialect dialect, std::size_t max_payload) noexcept {
    constexpr unsigned flag_bits = 0xf0;
    if (bytes.empty()) return {};
    if (dialect != Dialect::md && (static_cast<unsigned char>(bytes[0]) & flag_bits) != 0)
        return {.state = State::refused, .fault = Fault::bad_frame_flags};
    if (bytes.size() < header_bytes) return {};
    const auto length = number24(bytes);
    if (length > max_payload) return {.state = State::refused, .fault = Fault::frame_too_large};
    if (bytes.size() - header_bytes < length) return {};
    return {.state = State::whole, .used = header_bytes + length, .payload = bytes.substr(header_bytes, length)};
}

std::size_t open_frame(std::string& out) {
    const auto opened = out.size();
    out.append(header_bytes, '\0');
    return opened;
}

bool close_frame(std::string& out, std::size_t opened, Dialect dialect, std::size_t max_payload) {
    const auto length = out.size() - opened - header_bytes;
    if (length > std::min(max_payload, most_payload(dialect))) return false;
    for (std::size_t i = 0; i < header_bytes; ++i)
        out[opened + i] = static_cast<char>(length >> (8 * (header_bytes - 1 - i)) & 0xffU);
    return true;
}

}   // namespace tambo::funxmpp
