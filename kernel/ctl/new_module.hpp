// tamboctl new-module NAME [FOLDER]: a project for a module of one's own. Needs no server.
#pragma once

#include <string>
#include <vector>

namespace tambo::ctl {

/// Copies the installed template (contrib/module-template), puts NAME into it, and prints what to type next.
/// Throws std::invalid_argument: not understood; std::runtime_error: refused.
void new_module(const std::vector<std::string>& words);

}   // namespace tambo::ctl
