// XEP-0184 (1.4.0), XEP-0333 (1.0.0), XEP-0359 (0.7.0): ticks can be believed. They travel as messages do: to every
// device that listens (RFC 6121 §8.5), or into the queue of the offline module; what is left to do is to keep them
// honest.
#include <string_view>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view receipts_space = "urn:xmpp:receipts";
constexpr std::string_view ids_space = "urn:xmpp:sid:0";

class Receipts final : public Module {
public:
    void wire(Wiring& w) override {
        w.on<&Receipts::sent_by_client>(Event::stanza_in, this, priority::first);
        w.feature(ids_space, Scope::both);
    }

private:
    void sent_by_client(Session&, Stanza& stanza) {
        if (!stanza.is_message() || stanza.is_error()) return;
        while (const auto forged = forged_id(stanza)) stanza.remove(forged);
        if (stanza.has("received", receipts_space)) break_loop(stanza);
    }

    /// XEP-0359 §3, rule 2: an id "by" one of our entities was not given by that entity if a client brings it along.
    /// Markers and archives name messages by these ids.
    Element forged_id(const Stanza& message) const {
        for (const auto child : message.xml().children()) {
            if (!child.is("stanza-id", ids_space)) continue;
            const auto by = Jid::parse(child.attribute("by"));
            if (by && host().is_local(by->domain())) return child;
        }
        return {};
    }

    /// XEP-0184 §5.4: an ack that asks for an ack would let two simple-minded clients answer each other for ever.
    static void break_loop(Stanza& ack) {
        while (const auto request = ack.child("request", receipts_space)) ack.remove(request);
    }
};

}   // namespace

TAMBO_MODULE(Receipts, "receipts", "0.1.0", 1)
