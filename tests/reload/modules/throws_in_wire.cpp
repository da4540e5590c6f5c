// A counter that asks for something first and then fails.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Tally final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&Tally::answer>("urn:tambo:test:counter", "query", this);
        throw 42;
    }

private:
    Reply answer(Iq&) { return Error{Condition::gone}; }
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 1)
