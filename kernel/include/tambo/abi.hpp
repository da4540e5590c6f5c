// What must be equal in kernel and module before any C++ of the module runs.
#pragma once

#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define TAMBO_ABI_FLAVOUR " asan"
#elif defined(__SANITIZE_THREAD__)
#define TAMBO_ABI_FLAVOUR " tsan"
#else
#define TAMBO_ABI_FLAVOUR ""
#endif

/// First field of the descriptor, forever. Raised whenever a struct or virtual table in <tambo/…> changes.
#define TAMBO_ABI_TAG "tambo-5 gcc-" __VERSION__ " cxx11" TAMBO_ABI_FLAVOUR

namespace tambo {

class Module;

/// C layout. `tambo_module()` returns it.
struct Descriptor {
    const char* abi_tag;
    const char* name;
    const char* version;
    std::uint32_t state_version;   ///< of what save() writes
    Module* (*create)();
    void (*destroy)(Module*);
};

}   // namespace tambo
