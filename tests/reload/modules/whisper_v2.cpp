// The second version counts in marks, and can read digits.
#include "whisper.hpp"

namespace {

class Whispering final : public tambo::Module {
public:
    void wire(tambo::Wiring& w) override {
        using namespace whisper;
        w.codec(std::make_unique<Whisper>(Layout{2, 1, as_marks, from_marks, from_text}));
    }
};

}   // namespace

TAMBO_MODULE(Whispering, "whisper", "2.0", 1)
