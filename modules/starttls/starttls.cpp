// RFC 6120 §5: STARTTLS.
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view tls_space = "urn:ietf:params:xml:ns:xmpp-tls";

class StartTls final : public Module {
public:
    void wire(Wiring& w) override {
        w.negotiate<&StartTls::advertise, &StartTls::step>(Phase::before_auth, tls_space, 10, this);
    }

private:
    void advertise(const StreamInfo& info, Writer& features) {
        if (!info.can_secure) return;
        features.element("starttls", tls_space);
        if (!info.may_authenticate) features.element("required").end();   // §5.3.1: nothing else leads on from here
        features.end();
    }

    Task<void> step(Handshake& h, Stanza element) {
        if (!element.xml().is("starttls", tls_space)) {
            refuse(h, "only <starttls/> was expected in this namespace");
        } else if (!h.info().can_secure) {
            refuse(h, h.info().is_secure ? "TLS is on already" : "there is no certificate for this host");
        } else {
            h.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
            h.start_tls();
        }
        co_return;
    }

    /// §5.4.2.2: <failure/>, then the end of the stream; there is no second try on it.
    static void refuse(Handshake& h, std::string_view why) {
        h.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        h.close(StreamCondition::policy_violation, why);
    }
};

}   // namespace

TAMBO_MODULE(StartTls, "starttls", "0.1.0", 1)
