// Figures of the server as Prometheus wants them.
#pragma once

#include <string>

#include <tambo/server.hpp>

namespace tambo {

/// The text exposition format, version 0.0.4.
std::string exposition(const Stats& stats);

}   // namespace tambo
