// Calls what nobody defines: with RTLD_NOW it must fail when it is loaded, not at 3 a.m.
#include <tambo/abi.hpp>

namespace tambo {
Module* nobody_wrote_this();
}

extern "C" __attribute__((visibility("default"))) const tambo::Descriptor* tambo_module() {
    static constexpr tambo::Descriptor descriptor{TAMBO_ABI_TAG,        "counter", "9", 1, &tambo::nobody_wrote_this,
                                                  [](tambo::Module*) {}};
    return &descriptor;
}
