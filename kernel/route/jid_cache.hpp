// Addresses that were prepared a moment ago.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/jid.hpp>

namespace tambo {

/// Jid::parse with a memory. The same few texts come again and again on a shard; for those it costs a hash and a
/// comparison, and no allocation.
///
/// Two-way set-associative over the raw text, so its memory is bounded by the number of slots. Errors and texts of more
/// than `max_text_bytes` are not kept. One per shard, one thread.
class JidCache {
public:
    static constexpr std::size_t max_text_bytes = 256;

    /// `slots` is rounded up to a power of two.
    explicit JidCache(std::size_t slots = 4096);

    Result<Jid> get(std::string_view text);

private:
    struct Slot {
        std::uint64_t hash = 0;
        Jid jid;                            // empty: nothing here
        std::unique_ptr<std::string> raw;   // only where preparation changed the text

        bool holds(std::uint64_t wanted_hash, std::string_view text) const noexcept;
    };
    struct Pair {
        Slot recent, older;
    };

    std::vector<Pair> pairs_;
};

}   // namespace tambo
