// Pins itself: built without -fno-gnu-unique, its inline static is one for the whole process.
#include <tambo/abi.hpp>

template <class T>
struct __attribute__((visibility("default"))) Shared {
    static T value;
};
template <class T>
__attribute__((visibility("default"))) T Shared<T>::value{};

extern "C" __attribute__((visibility("default"))) const tambo::Descriptor* tambo_module() {
    static constexpr tambo::Descriptor descriptor{TAMBO_ABI_TAG,
                                                  "counter",
                                                  "9",
                                                  1,
                                                  []() -> tambo::Module* {
                                                      ++Shared<int>::value;
                                                      return nullptr;
                                                  },
                                                  [](tambo::Module*) {}};
    return &descriptor;
}
