// The second version (clockwork.hpp): the same, under another number.
#include "clockwork.hpp"

TAMBO_MODULE(Clockwork<2>, "clockwork", "2.0", 1)
