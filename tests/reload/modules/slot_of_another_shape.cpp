// A counter whose slot has changed, though its version says that it has not.
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

struct Asked {
    static constexpr int version = 1;
    std::uint32_t times = 0;
    std::uint32_t flags = 0;
};

class Tally final : public Module {
public:
    void wire(Wiring&) override {}
    bool load(std::string_view) override { return true; }

private:
    Slot<Asked> asked_{"test-asked"};
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 1)
