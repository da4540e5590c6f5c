// A thread runs code until it ends. Bad: one of its own. Good: the kernel's, which has to come back first.
#include <atomic>
#include <thread>

#include <tambo/tambo.hpp>

#include "foreign.hpp"

namespace {

class Threads final : public tambo::Module {
public:
    void wire(tambo::Wiring&) override {
#ifdef BAD
        std::thread{[] {
            std::atomic<bool> is_over{false};
            foreign::on_ring([&is_over] { is_over = true; });   // which will not happen: it is here when the code goes
            while (!is_over) std::this_thread::yield();
        }}.detach();
#else
        host().spawn(count());
#endif
    }

private:
    tambo::Task<void> count() {
        auto counting = host().offload([] { return 1; });
        co_await std::move(counting);
    }
};

}   // namespace

TAMBO_MODULE(Threads, NAME, "1.0", 1)
