// The least that passes for a module: it is only ever mapped, never made.
#include <tambo/abi.hpp>

extern "C" __attribute__((visibility("default"))) const tambo::Descriptor* tambo_module() {
    static constexpr tambo::Descriptor descriptor{
        TAMBO_ABI_TAG, "harmless", "1.0", 7, []() -> tambo::Module* { return nullptr; }, [](tambo::Module*) {}};
    return &descriptor;
}
