// A counter whose slot is of a newer version, but can't be made of the one before.
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

struct Asked {
    static constexpr int version = 2;
    std::uint64_t times = 0;
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
