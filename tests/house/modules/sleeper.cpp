// Stands still at a message that says "sleep" until somebody opens the FIFO: a module as no module may be.
#include <fstream>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Sleeper final : public Module {
public:
    void wire(Wiring& w) override { w.on<&Sleeper::heard>(Event::stanza_in, this); }

private:
    void heard(Session&, Stanza& stanza) {
        if (stanza.body() != "sleep") return;
        std::ifstream bed{*fifo_};
        bed.get();
    }
    Option<std::string> fifo_{"fifo", "", "what it waits for"};
};

}   // namespace

TAMBO_MODULE(Sleeper, "sleeper", "0.1.0", 1)
