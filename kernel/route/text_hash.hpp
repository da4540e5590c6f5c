// A keyed hash for texts that strangers choose.
#pragma once

#include <cstdint>
#include <string_view>

namespace tambo {

/// SipHash-1-3 under a key that this process drew at random: nobody outside can find texts that fall into one bucket,
/// or names that all live on one shard. The same text has the same hash for as long as the process lives, and not
/// longer: never write it down. Any thread.
std::uint64_t text_hash(std::string_view text) noexcept;

}   // namespace tambo
