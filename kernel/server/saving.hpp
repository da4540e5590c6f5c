// What a codec saved, as the operator reads it.
#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace tambo {

/// "63%" of what XML would have taken for what took `bytes`; empty if nothing was saved, as for those who speak XML.
inline std::string saved_share(std::uint64_t bytes, std::int64_t saved) {
    const auto less = static_cast<double>(saved);
    return saved == 0 ? "" : fmt::format("{:.0f}%", 100 * less / (static_cast<double>(bytes) + less));
}

}   // namespace tambo
