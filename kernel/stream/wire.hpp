// A wire format by its name, as one shard knows it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tambo/codec.hpp>
#include <tambo/server.hpp>

namespace tambo {

class Instance;

/// Streams hold one of these and never the codec itself, so that a swap is one assignment however many streams there
/// are. Lives as long as its shard.
struct Wire {
    std::string name;
    Codec* codec = nullptr;                 ///< null: its module is gone
    Instance* owner = nullptr;              ///< null: the kernel
    std::uint32_t version = 0;              ///< of `codec`
    std::vector<std::uint32_t> written{};   ///< versions that may have written what streams still remember
    Stats::Wire figures{};                  ///< this shard's thread only

    bool is_xml() const noexcept { return owner == nullptr; }
};

}   // namespace tambo
