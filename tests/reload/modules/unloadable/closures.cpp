// A closure is code. Bad: it stays with somebody who outlives the module. Good: it goes through the kernel.
#include <tambo/tambo.hpp>

#include "foreign.hpp"

namespace {

class Closures final : public tambo::Module {
public:
    void wire(tambo::Wiring&) override {
#ifdef BAD
        foreign::on_ring([this] { ++times_; });
#else
        host().defer([this] { ++times_; });
#endif
    }

private:
    int times_ = 0;
};

}   // namespace

TAMBO_MODULE(Closures, NAME, "1.0", 1)
