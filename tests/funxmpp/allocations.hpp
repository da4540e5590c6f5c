// How often this program took memory: decoding must take none beyond the tape's.
#pragma once

#include <cstddef>

extern std::size_t allocations;
