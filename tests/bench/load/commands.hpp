// What the load generator can do. Each prints what it found, and says whether the run was one.
#pragma once

#include "client.hpp"

namespace bench {

bool login(Run& run);                 ///< log N in: how fast
bool register_all(Run& run);          ///< make N accounts (XEP-0077)
bool idle(Run& run);                  ///< log N in: how much memory a session takes
bool chat(Run& run);                  ///< messages between pairs
bool offline(Run& run);               ///< store for those who are away, deliver when they come
bool herd(Run& run);                  ///< N sessions break at once, and all come back at once
bool presence(Run& run);              ///< N users with contacts say over and over how they are
bool churn(Run& run);                 ///< N users come, go and break off over and over
bool relay(const Options& options);   ///< the floor: forwards bytes between sockets, until it is told to stop

}   // namespace bench
