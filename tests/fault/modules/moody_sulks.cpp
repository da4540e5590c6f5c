// Answers nothing, but counts on: its state is as good as the one before.
#include "moody.hpp"

namespace {

using namespace tambo;

class Sulking final : public moody::Moody {
public:
    Bytes save() const override { return std::to_string(count_ + 100); }
    bool load(std::string_view state) override { return read(state); }

private:
    bool sulks() const override { return true; }
    int version() const override { return 2; }
};

}   // namespace

TAMBO_MODULE(Sulking, "moody", "1.1", 1)
