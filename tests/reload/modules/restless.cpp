// A counter that never comes to rest: once asked, each closure defers the next, and a task waits again and again.
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Tally final : public Module {
public:
    void wire(Wiring& w) override { w.iq<&Tally::answer>("urn:tambo:test:counter", "query", this); }
    Bytes save() const override { return "0"; }
    bool load(std::string_view) override { return true; }

private:
    Reply answer(Iq&) {
        go_on();
        host().spawn(turn_and_turn());
        return Reply{}
            .element("query", "urn:tambo:test:counter")
            .attribute("version", "restless")
            .attribute("count", 1)
            .attribute("own", 1);
    }

    void go_on() {
        host().defer([this] { go_on(); });
    }

    Task<void> turn_and_turn() {
        for (;;) {
            auto waiting = host().after(std::chrono::seconds{1});
            co_await std::move(waiting);
        }
    }
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "9", 1)
