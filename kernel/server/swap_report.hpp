// What a swap did, for programs (in_words() is for people).
#pragma once

#include <tambo/server.hpp>

#include "server/json.hpp"

namespace tambo {

/// Adds its members to the object that is open.
Json& write(Json& json, const SwapReport& report);

}   // namespace tambo
