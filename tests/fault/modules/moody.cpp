// The version that can be talked with.
#include "moody.hpp"

namespace {

using namespace tambo;

class Calm final : public moody::Moody {
public:
    Bytes save() const override { return std::to_string(count_); }
    bool load(std::string_view state) override { return read(state); }
};

}   // namespace

TAMBO_MODULE(Calm, "moody", "1.0", 1)
