// What is written down of a durable session, beside its counters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/time.hpp>

namespace tambo {

/// The form of KeptSession::state. Written by one version, read by another: it begins with its version.
struct SessionState {
    Time since{}, active{};
    int priority = 0;
    std::string presence;   ///< as XML; empty if it was unavailable
    std::uint64_t max_kept = 0;
    std::vector<std::pair<std::string, std::string>> slots;   ///< durable ones

    std::string pack() const;
    static std::optional<SessionState> unpack(std::string_view bytes);   ///< nothing if it cannot be read
};

}   // namespace tambo
