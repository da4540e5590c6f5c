#include "messages.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "binary.hpp"
#include "xml.hpp"

namespace bench {

namespace {

// A body is the run's mark, then flow, sequence and stamp in hexadecimal digits, then padding.
constexpr std::size_t number_digits = 8, stamp_digits = 16;
constexpr std::uint32_t most_missing = 1'000'000;

void stamp_body(char* behind_mark, std::uint32_t number, std::uint32_t sequence, std::uint64_t stamp) noexcept {
    put_hex(behind_mark, number, number_digits);
    put_hex(behind_mark + number_digits, sequence, number_digits);
    put_hex(behind_mark + 2 * number_digits, stamp, stamp_digits);
}

std::string message(const Run& run, std::string_view to, std::uint32_t number, std::uint32_t sequence,
                    std::uint64_t stamp) {
    std::string body = run.mark;
    body.resize(run.options.size, 'x');
    stamp_body(body.data() + run.mark.size(), number, sequence, stamp);
    return fmt::format("<message type='chat' to='{}' id='m{:08x}'><body>{}.</body></message>", to, sequence,
                       std::string_view{body}.substr(0, body.size() - 1));
}

/// Behind the first messages, whose addresses define slots, only the figures change.
void send_frame(Client& client, const Run& run, std::string_view to, std::uint32_t number, Flow& flow,
                std::uint64_t stamp) {
    constexpr std::uint32_t settled = 2;
    const auto id = fmt::format("m{:08x}", flow.sent);
    if (flow.sent < settled) {
        flow.frame = client.binary()->element(message(run, to, number, flow.sent, stamp));
    } else {
        const auto last = fmt::format("m{:08x}", flow.sent - 1);
        std::ranges::copy(id, flow.frame.data() + flow.frame.find(last));
        stamp_body(flow.frame.data() + flow.frame.find(run.mark) + run.mark.size(), number, flow.sent, stamp);
    }
    client.put(flow.frame);
}

}   // namespace

bool Flow::take(std::uint32_t sequence, Counters& counters) {
    if (sequence == expected) {
        ++expected;
        return true;
    }
    if (sequence > expected && sequence - expected < most_missing) {
        for (; expected < sequence; ++expected) missing.push_back(expected);
        ++expected;
        return true;
    }
    if (const auto late = std::ranges::find(missing, sequence); late != missing.end()) {
        missing.erase(late);
        ++counters.reordered;
        return true;
    }
    ++counters.repeated;
    return false;
}

void send_message(Client& client, const Run& run, std::string_view to, std::uint32_t number, Flow& flow,
                  std::uint64_t stamp) {
    if (client.binary() != nullptr)
        send_frame(client, run, to, number, flow, stamp);
    else
        client.put(message(run, to, number, flow.sent, stamp));
    ++flow.sent;
}

std::optional<Marked> read_message(std::string_view stanza, const Run& run, Counters& counters) {
    const auto at = stanza.find(run.mark);
    if (at == std::string_view::npos) {
        ++(stanza.find("<body>X") == std::string_view::npos ? counters.unexpected : counters.stale);
        return std::nullopt;
    }
    if (stanza[0] == '<' && attribute(stanza, "type") == "error") {
        ++counters.bounced;
        return std::nullopt;
    }
    const auto figures = stanza.substr(at + run.mark.size());
    const auto number = read_hex(figures.substr(0, number_digits)),
               sequence = read_hex(figures.substr(number_digits, number_digits)),
               stamp = read_hex(figures.substr(2 * number_digits, stamp_digits));
    if (!number || !sequence || !stamp) {
        ++counters.unexpected;
        return std::nullopt;
    }
    return Marked{static_cast<std::uint32_t>(*number), static_cast<std::uint32_t>(*sequence), *stamp};
}

void put_hex(char* to, std::uint64_t value, std::size_t digits) noexcept {
    constexpr std::string_view alphabet = "0123456789abcdef";
    for (auto i = digits; i-- > 0; value >>= 4) to[i] = alphabet[value & 0xf];
}

std::optional<std::uint64_t> read_hex(std::string_view digits) noexcept {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

}   // namespace bench
