// Needs the crasher, and does nothing.
#include <tambo/tambo.hpp>

namespace {

class Follower final : public tambo::Module {
public:
    void wire(tambo::Wiring& w) override { w.needs("crasher"); }
};

}   // namespace

TAMBO_MODULE(Follower, "follower", "1", 1)
