// XEP-0199 (2.0.1): is anybody there?
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view ping_space = "urn:xmpp:ping";

class Ping final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&Ping::answer>(ping_space, "ping", this);
        w.feature(ping_space, Scope::both);
    }

private:
    Reply answer(Iq& iq) {
        if (!iq.is_get()) return Error{Condition::bad_request, "a ping is an iq of type get"};
        // §4.3, §6: an account answers only those who may know that it is there; everybody else hears what they would
        // hear about an account that does not exist.
        if (iq.account() != nullptr && !iq.account()->may_see_presence(iq.from().bare()))
            return Error{Condition::service_unavailable};
        return Iq::result();
    }
};

}   // namespace

TAMBO_MODULE(Ping, "ping", "0.1.0", 1)
