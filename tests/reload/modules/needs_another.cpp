// A counter that can'\''t live without somebody who is not there.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Tally final : public Module {
public:
    void wire(Wiring& w) override { w.needs("abacus"); }
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 1)
