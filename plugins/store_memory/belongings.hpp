// What the driver keeps, and how it travels to the next version of the plugin.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tambo/store.hpp>

namespace tambo::memory {

using Key = std::pair<std::string, std::string>;   // table, key

/// Of one owner.
struct Belongings {
    std::map<Key, Bytes> resident, items;
    std::map<std::uint64_t, JournalEntry> journal;   // by sequence
    JournalState state;
    std::map<std::uint64_t, KeptSession> sessions;   // by device

    std::map<Key, Bytes>& rows(Space space) { return space == Space::resident ? resident : items; }
};

using Owners = std::map<std::string, Belongings, std::less<>>;

Bytes pack(const Owners& owners);
/// Nothing if these are not bytes that pack() made, whole: this one's, or an older version's.
std::optional<Owners> unpack(std::string_view packed);

}   // namespace tambo::memory
