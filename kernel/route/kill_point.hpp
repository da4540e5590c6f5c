// Places at which a test can have the process killed, to see what it owes to whom then.
#pragma once

#include <string_view>

namespace tambo {

/// Ends the process by SIGKILL at the n-th pass of a point, if the environment says TAMBO_KILL_AT=NAME:n. Any thread.
void kill_point(std::string_view name) noexcept;

}   // namespace tambo
