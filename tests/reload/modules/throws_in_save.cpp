// A counter that loads well and then keeps its state to itself.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Tally final : public Module {
public:
    void wire(Wiring& w) override { w.iq<&Tally::answer>("urn:tambo:test:counter", "query", this); }
    Bytes save() const override { throw std::runtime_error{"mine, all mine"}; }

private:
    Reply answer(Iq&) {
        return Reply{}
            .element("query", "urn:tambo:test:counter")
            .attribute("version", 9)
            .attribute("count", ++count_)
            .attribute("own", 0);
    }

    std::uint64_t count_ = 0;
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 1)
