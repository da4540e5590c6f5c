// A coroutine that waits is code that somebody will go on with. Bad: somebody else. Good: the kernel, which ends what
// waits too long.
#include <tambo/tambo.hpp>

#include "foreign.hpp"

namespace {

class Frames final : public tambo::Module {
public:
    void wire(tambo::Wiring&) override {
#ifdef BAD
        wait_for_others();
#else
        host().spawn(wait());
#endif
    }

private:
    /// Starts at once and belongs to nobody, as in many a library.
    struct Detached {
        struct promise_type {
            Detached get_return_object() noexcept { return {}; }
            std::suspend_never initial_suspend() noexcept { return {}; }
            std::suspend_never final_suspend() noexcept { return {}; }
            void return_void() noexcept {}
            void unhandled_exception() noexcept {}
        };
    };
    [[maybe_unused]] static Detached wait_for_others() {
        const foreign::Bell bell;
        co_await bell;
    }
    tambo::Task<void> wait() {
        auto waiting = host().after(std::chrono::hours{1});
        co_await std::move(waiting);
    }
};

}   // namespace

TAMBO_MODULE(Frames, NAME, "1.0", 1)
