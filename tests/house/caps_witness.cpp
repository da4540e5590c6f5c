// Tells a client what the slot "caps" of its own session says, as any module could read it.
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class CapsWitness final : public Module {
public:
    void wire(Wiring& w) override { w.iq<&CapsWitness::answer>("urn:tambo:test:caps", "query", this); }

private:
    Reply answer(Iq& iq) {
        const auto* slot = iq.session()->find_slot("caps");
        Reply reply;
        reply.element("query", "urn:tambo:test:caps").text(slot != nullptr ? *slot : "nothing");
        return reply;
    }
};

}   // namespace

TAMBO_MODULE(CapsWitness, "caps_witness", "1.0", 1)
