// All shards between two events, at the same time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tambo {

struct Kernel;

/// The moment of a swap: each shard stands still, does its part of the preparation, and waits until all have; then all
/// of them flip, or none does.
class Meeting {
public:
    struct Figures {
        double meet_ms = 0;    ///< from calling the shards until the last one has gone on
        double pause_ms = 0;   ///< the longest that one of them stood still
        std::uint64_t waited = 0;
        double waited_max_ms = 0, waited_p99_ms = 0;   ///< stanzas read in the first round afterwards; at most
    };

    /// Why a shard would rather not; empty if it is ready. Must not throw.
    using Prepare = std::function<std::string(std::size_t shard)>;
    using Flip = std::function<void(std::size_t shard)>;

    /// Calls all shards together. Empty if they flipped, else why nothing happened: the first refusal, or a shard that
    /// did not come in time (the others have not waited longer than that).
    static std::string hold(Kernel& kernel, const Prepare& prepare, const Flip& flip, Figures& figures);
};

}   // namespace tambo
