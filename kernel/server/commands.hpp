// What tamboctl can ask for.
#pragma once

#include <string>
#include <vector>

#include <tambo/server.hpp>

#include "server/control.hpp"

namespace tambo {

class Drain;

/// `words` as the operator typed them, `--json` among them if she did. Exit codes: 0 done, 1 refused, 2 not understood.
/// May take long; long answers are handed to `out` piece by piece. Any thread but a shard's.
int run_command(Server& server, Drain& drain, const std::vector<std::string>& words, const Control::Out& out);

}   // namespace tambo
