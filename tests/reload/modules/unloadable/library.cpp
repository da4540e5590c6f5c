// Needs a library that nobody else needs. The kernel keeps that, so that its statics go on: the module goes all the
// same.
#include <tambo/tambo.hpp>

#include "foreign.hpp"

extern "C" int times_asked();   // of the library

namespace {

class Library final : public tambo::Module {
public:
    void wire(tambo::Wiring&) override { foreign::report(std::to_string(times_asked())); }
};

}   // namespace

TAMBO_MODULE(Library, NAME, "1.0", 1)
