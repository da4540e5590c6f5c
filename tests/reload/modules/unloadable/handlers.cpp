// What the C library calls when something happens. Bad: a handler stays registered. Good: there is a destructor.
#include <csignal>
#include <cstdlib>

#include <tambo/tambo.hpp>

#include "foreign.hpp"

namespace {

class Handlers final : public tambo::Module {
public:
    ~Handlers() override { foreign::report("closed"); }
    void wire(tambo::Wiring&) override {
#if defined(BAD) && defined(SIGNAL)
        std::signal(SIGUSR1, [](int) { asm volatile("" ::: "memory"); });
#elif defined(BAD)
        ::on_exit([](int, void*) { foreign::report("closed"); }, nullptr);
#else
        std::atexit([] { foreign::report(", and its code goes"); });   // dlclose calls this one
#endif
    }
};

}   // namespace

TAMBO_MODULE(Handlers, NAME, "1.0", 1)
