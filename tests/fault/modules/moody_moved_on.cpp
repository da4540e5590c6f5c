// Answers nothing, and keeps its state in a way that the version before does not know.
#include "moody.hpp"

namespace {

using namespace tambo;

class MovedOn final : public moody::Moody {
public:
    Bytes save() const override { return "count=" + std::to_string(count_ + 100); }
    bool load(std::string_view state) override { return read(state.substr(state.find('=') + 1)); }
    bool upgrade(std::uint32_t, std::string_view state) override { return read(state); }

private:
    bool sulks() const override { return true; }
    int version() const override { return 3; }
};

}   // namespace

TAMBO_MODULE(MovedOn, "moody", "2.0", 2)
