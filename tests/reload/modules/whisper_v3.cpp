// The third version reads nobody's memory but its own.
#include "whisper.hpp"

namespace {

class Whispering final : public tambo::Module {
public:
    void wire(tambo::Wiring& w) override {
        using namespace whisper;
        w.codec(std::make_unique<Whisper>(Layout{3, 3, as_text, from_text, nullptr}));
    }
};

}   // namespace

TAMBO_MODULE(Whispering, "whisper", "3.0", 1)
