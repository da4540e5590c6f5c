// What tamboctl does itself before it asks the server, or instead.
#pragma once

#include "ctl/client.hpp"

namespace tambo::ctl {

/// Carries a command out and prints the answer; gives the exit code. Completes what the server cannot know: a password
/// from the terminal, the stanza on standard input, where a relative path begins. Throws Unreachable;
/// std::invalid_argument: not understood; std::runtime_error: refused.
int carry_out(const Client& client, const Words& words, bool json);

}   // namespace tambo::ctl
