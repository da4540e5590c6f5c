// tamboctl top: what modules and sessions cost, over and over.
#pragma once

#include "ctl/client.hpp"

namespace tambo::ctl {

/// `words` are those behind `top`: --once, --every SECONDS. Until q or ^C; one round with --once or in JSON.
int top(const Client& client, const Words& words, bool json);

}   // namespace tambo::ctl
