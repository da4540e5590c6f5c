// Named bytes that modules hang on sessions and accounts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tambo {

/// How many slots of each name there are on a shard. There are few names, so a flat list.
class SlotCensus {
public:
    void add(std::string_view name, std::ptrdiff_t n);
    std::uint64_t count(std::string_view name) const noexcept;

private:
    std::vector<std::pair<std::string, std::uint64_t>> counts_;
};

/// Named bytes that modules hang on something. Few per holder, so a flat list.
class Slots {
public:
    std::string& at(std::string_view name, SlotCensus* census);   ///< null: not counted
    const std::string* find(std::string_view name) const noexcept;
    void leave(SlotCensus& census) const;   ///< they don't count any more
    void clear(SlotCensus& census);

private:
    // By pointer: a reference handed out must survive the next slot's coming.
    std::vector<std::pair<std::string, std::unique_ptr<std::string>>> slots_;
};

}   // namespace tambo
