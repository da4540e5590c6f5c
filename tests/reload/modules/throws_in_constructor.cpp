// A counter that is never born; the exception has a type that is gone with the code.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

struct Stillborn final : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Tally final : public Module {
public:
    Tally() { throw Stillborn{"no ink to count with"}; }
    void wire(Wiring&) override {}
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 1)
