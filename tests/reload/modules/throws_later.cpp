// A counter that loads well and then fails at each question.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Tally final : public Module {
public:
    void wire(Wiring& w) override { w.iq<&Tally::answer>("urn:tambo:test:counter", "query", this); }
    Bytes save() const override { return state_; }
    bool load(std::string_view state) override {
        state_ = state;
        return true;
    }

private:
    Reply answer(Iq&) { throw std::runtime_error{"lost count"}; }
    Bytes state_;
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 1)
