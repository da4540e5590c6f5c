// Ends the process in each way that a message names: what no module may be. Where `door` is a FIFO, no instance is made
// before somebody opens that one for writing.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

// Sanitizers would rather speak for themselves.
[[gnu::noinline, gnu::no_sanitize("address", "undefined", "thread")]] void write_to(volatile int* where) { *where = 1; }

// Every frame is used after the next one, so that none can be saved.
[[gnu::noinline]] int deeper(volatile int* above) {
    std::array<volatile int, 1024> frame{};
    frame[0] = *above + 1;
    return deeper(frame.data()) + frame[0];
}

class Crasher final : public Module {
public:
    Crasher() {
        if (std::filesystem::is_fifo(*door_)) std::ifstream{*door_}.get();
    }
    void wire(Wiring& w) override { w.on<&Crasher::heard>(Event::stanza_in, this); }

private:
    void heard(Session&, Stanza& stanza) {
        const auto body = stanza.body();
        if (body == "null") write_to(nullptr);
        if (body == "abort") std::abort();
        if (body == "overflow") {
            volatile int first = 0;
            deeper(&first);
        }
        if (body == "pool") host().spawn(in_the_pool());
        if (body == "task") host().spawn(later());
    }

    Task<void> in_the_pool() {
        auto working = host().offload([] {
            write_to(nullptr);
            return 0;
        });
        co_await std::move(working);
    }

    Task<void> later() {
        auto waiting = host().after(Duration{1});
        co_await std::move(waiting);
        write_to(nullptr);
    }

    Option<std::string> door_{"door", "", "a FIFO that instances wait for"};
};

}   // namespace

TAMBO_MODULE(Crasher, "crasher", "1", 1)
