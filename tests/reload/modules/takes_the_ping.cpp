// A counter that wants what belongs to the ping module.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Counter final : public Module {
public:
    void wire(Wiring& w) override { w.iq<&Counter::answer>("urn:xmpp:ping", "ping", this); }

private:
    Reply answer(Iq&) { return Error{Condition::gone}; }
};

}   // namespace

TAMBO_MODULE(Counter, "counter", "9", 1)
