// A codec whose memory of a stream is a number in digits.
#include "whisper.hpp"

namespace {

class Whispering final : public tambo::Module {
public:
    void wire(tambo::Wiring& w) override {
        using namespace whisper;
        w.codec(std::make_unique<Whisper>(Layout{1, 1, as_text, from_text, nullptr}));
    }
};

}   // namespace

TAMBO_MODULE(Whispering, "whisper", "1.0", 1)
