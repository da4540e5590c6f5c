// A store that forgets: everything is kept in memory and is gone when the server ends, or another store takes its
// place. The next version of this plugin gets it all.
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

TAMBO_MODULE(StoreMemory, "store_memory", "0.2.0", 1)
