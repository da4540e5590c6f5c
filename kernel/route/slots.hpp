// Named bytes that modules hang on sessions and accounts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace tambo {

/// How many slots of each name there are on a shard. There are few names, so a flat list.
class SlotCensus {
public:
    struct Name {
        std::string text;
        std::uint64_t count = 0;
    };
    /// Stays where it is.
    Name& name(std::string_view text);
    std::uint64_t count(std::string_view name) const noexcept;

private:
    std::deque<Name> names_;
};

/// Named bytes that modules hang on something. Few per holder, so they are looked through. Nothing is moved: a
/// reference handed out survives the next slot's coming.
class Slots {
public:
    /// Made empty if it is not there.
    std::string& at(std::string_view name, SlotCensus& census, bool is_counted = true);
    const std::string* find(std::string_view name) const noexcept;
    void leave() const noexcept;   ///< they don't count any more
    void clear() noexcept;

private:
    /// Most sessions have three or four.
    struct Few {
        std::array<SlotCensus::Name*, 4> names{};   // null: free, and so are those behind it
        std::array<std::string, 4> bytes;
        std::unique_ptr<Few> more;
    };
    std::unique_ptr<Few> first_;
};

}   // namespace tambo
