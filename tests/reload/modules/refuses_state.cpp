// A counter that can't read what the one before it kept.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Tally final : public Module {
public:
    void wire(Wiring&) override {}
    bool load(std::string_view) override { return false; }
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 1)
