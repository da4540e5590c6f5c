// Messages that can be told from each other: nothing lost, repeated, reordered or misrouted goes unnoticed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client.hpp"

namespace bench {

/// From one client to another.
struct Flow {
    std::uint32_t sent = 0, expected = 0;
    std::vector<std::uint32_t> missing;
    std::string frame;   ///< FunXMPP: what the last message was written as

    /// False if it came before. Counts what is wrong.
    bool take(std::uint32_t sequence, Counters& counters);
    std::uint64_t outstanding() const noexcept { return sent - expected + missing.size(); }
};

struct Marked {
    std::uint32_t flow = 0, sequence = 0;
    std::uint64_t stamp = 0;   ///< nanoseconds, when it was sent or ought to have been
};

/// The next message of that flow.
void send_message(Client& client, const Run& run, std::string_view to, std::uint32_t number, Flow& flow,
                  std::uint64_t stamp);
/// nullopt, and counted, if it isn't one of this run.
std::optional<Marked> read_message(std::string_view stanza, const Run& run, Counters& counters);

/// Hexadecimal digits of fixed width.
void put_hex(char* to, std::uint64_t value, std::size_t digits) noexcept;
std::optional<std::uint64_t> read_hex(std::string_view digits) noexcept;

}   // namespace bench
