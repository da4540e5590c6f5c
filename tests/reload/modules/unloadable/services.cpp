// Bad: the first timer of its kind in somebody's loop leaves a service there, whose code is this module's. Good: the
// kernel's timers.
#ifdef BAD
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#endif

#include <tambo/tambo.hpp>

#include "foreign.hpp"

namespace {

class Services final : public tambo::Module {
public:
    void wire(tambo::Wiring& w) override {
#ifdef BAD
        const boost::asio::basic_waitable_timer<std::chrono::system_clock> timer{foreign::loop(),
                                                                                 std::chrono::hours{1}};
#endif
        w.every<&Services::tick>(std::chrono::milliseconds{1}, this);
    }

private:
    void tick() { ++times_; }
    int times_ = 0;
};

}   // namespace

TAMBO_MODULE(Services, NAME, "1.0", 1)
