// What compilers and libraries keep for themselves. Built with the flags of tambo_add_module, and without; each with
// one of the three.
#include <string>

#define EXPORTED extern "C" __attribute__((visibility("default")))

#if defined(INLINE)
struct Shared {
    __attribute__((visibility("default"))) inline static int value = 0;
};
EXPORTED int next() { return ++Shared::value; }
#elif defined(THREAD)
thread_local std::string scratch;
EXPORTED int next() { return static_cast<int>((scratch += "a long line that needs some memory").size()); }
#else
thread_local int number = 0;
EXPORTED int next() { return ++number; }
#endif
