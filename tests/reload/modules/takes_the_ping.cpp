// A counter that wants what belongs to the ping module.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Tally final : public Module {
public:
    void wire(Wiring& w) override { w.iq<&Tally::answer>("urn:xmpp:ping", "ping", this); }

private:
    Reply answer(Iq&) { return Error{Condition::gone}; }
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 1)
