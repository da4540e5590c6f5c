// Pins itself: each thread that touched `scratch` owes it a destructor call, so the code can't go.
#include <string>

#include <tambo/abi.hpp>

namespace {

thread_local std::string scratch;

}   // namespace

extern "C" __attribute__((visibility("default"))) const tambo::Descriptor* tambo_module() {
    static constexpr tambo::Descriptor descriptor{TAMBO_ABI_TAG,
                                                  "counter",
                                                  "9",
                                                  1,
                                                  []() -> tambo::Module* {
                                                      scratch = "touched";
                                                      return nullptr;
                                                  },
                                                  [](tambo::Module*) {}};
    return &descriptor;
}
