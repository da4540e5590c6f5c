// A quick no for look-ups in a stanza: most that handlers look for is not there.
#pragma once

#include <cstdint>
#include <string_view>

#include <tambo/xml.hpp>

#include "stream/tape_content.hpp"

namespace tambo {

namespace tape_spaces {

/// A namespace as one of 63 bits: who has not the bit, has not the namespace. Cheap, and different for those that
/// travel in messages.
constexpr std::uint64_t bit(std::string_view space) noexcept {
    constexpr unsigned bits = 63;
    const auto size = space.size();
    if (size < 4) return 1;
    const auto at = [space](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(space[i])); };
    const auto mix = static_cast<unsigned>(size) * 19 + at(size - 3) * 41 + at(size / 2) * 7 + at(size * 3 / 4);
    return std::uint64_t{1} << (mix % bits);
}

inline constexpr auto is_noted = std::uint64_t{1} << 63;

}   // namespace tape_spaces

/// Notes in node 0, which has no use for `begin` and `end`, in which namespaces its children are. Good until the tape
/// is written again, which makes a new node 0.
inline void note_spaces(Tape& tape) noexcept {
    if (tape.nodes.empty()) return;
    auto& root = tape.nodes.front();
    auto spaces = tape_spaces::is_noted;
    for (auto i = content(tape, 0); i < root.next; i = tape.nodes[i].next)
        if (tape.nodes[i].kind == Tape::Kind::element) spaces |= tape_spaces::bit(tape.at(tape.nodes[i].space));
    root.begin = static_cast<std::uint32_t>(spaces);
    root.end = static_cast<std::uint32_t>(spaces >> 32U);   // beyond all that it could be the end of
}

/// One more child's; the others are noted already.
inline void note_space(Tape& tape, std::string_view space) noexcept {
    auto& root = tape.nodes.front();
    const auto bit = tape_spaces::bit(space);
    root.begin |= static_cast<std::uint32_t>(bit);
    root.end |= static_cast<std::uint32_t>(bit >> 32U);
}

/// True: it was noted that no child of node 0 is in that namespace.
inline bool has_surely_none(const Tape& tape, std::string_view space) noexcept {
    const auto& root = tape.nodes.front();
    const auto spaces = std::uint64_t{root.end} << 32U | root.begin;
    return (spaces & tape_spaces::is_noted) != 0 && (spaces & tape_spaces::bit(space)) == 0;
}

}   // namespace tambo
