// A counter of the next generation that chokes on what the one before it kept.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Tally final : public Module {
public:
    void wire(Wiring&) override {}
    bool upgrade(std::uint32_t, std::string_view) override { throw std::runtime_error{"no way up from here"}; }
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 2)
