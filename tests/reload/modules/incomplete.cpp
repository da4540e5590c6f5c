// The right tag with nothing behind it.
#include <tambo/abi.hpp>

extern "C" __attribute__((visibility("default"))) const tambo::Descriptor* tambo_module() {
    static constexpr tambo::Descriptor descriptor{TAMBO_ABI_TAG, "counter", "9", 1, nullptr, nullptr};
    return &descriptor;
}
