// The first version (clockwork.hpp).
#include "clockwork.hpp"

TAMBO_MODULE(Clockwork<1>, "clockwork", "1.0", 1)
