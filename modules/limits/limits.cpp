// XEP-0478 (0.2.0): how much a client may send at once, and how long it may say nothing.
#include <string>
#include <string_view>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view limits_space = "urn:xmpp:stream-limits:0";

class Limits final : public Module {
public:
    void wire(Wiring& w) override {
        // §3.1: with each set of features, because the limits change when the client is known.
        w.negotiate<&Limits::advertise, &Limits::nothing_to_do>(Phase::before_auth, limits_space, 90, this);
        w.negotiate<&Limits::advertise, &Limits::nothing_to_do>(Phase::before_bind, limits_space, 90, this);
    }

private:
    void advertise(const StreamInfo& info, Writer& features) {
        features.element("limits", limits_space);
        features.element("max-bytes").text(std::to_string(info.max_stanza_bytes)).end();
        if (info.idle_seconds != 0) features.element("idle-seconds").text(std::to_string(info.idle_seconds)).end();
        features.end();
    }

    /// There is nothing to negotiate: the server tells.
    Task<void> nothing_to_do(Handshake& h, Stanza) {
        h.close(StreamCondition::unsupported_stanza_type, "limits are announced, not negotiated");
        co_return;
    }
};

}   // namespace

TAMBO_MODULE(Limits, "limits", "0.1.0", 1)
