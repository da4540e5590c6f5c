// A store that forgets: everything is kept in memory and is gone when the server ends, and also when this plugin is
// swapped for another version or another store (the driver lives on the store thread, where save() can't see it).
#include <tambo/tambo.hpp>

#include "driver.hpp"

namespace {

using namespace tambo;

class StoreMemory final : public Module {
public:
    void wire(Wiring& w) override {
        w.provide(StoreFactory{[] { return memory::open(); }});
    }
};

}   // namespace

TAMBO_MODULE(StoreMemory, "store_memory", "0.1.0", 1)
