// XEP-0184 (1.4.0), XEP-0333 (1.0.0): ticks find their way to whoever waits for them. XEP-0359 (0.7.0): and the ids
// that ticks name are not forged.
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view receipts_space = "urn:xmpp:receipts";
constexpr std::string_view markers_space = "urn:xmpp:chat-markers:0";
constexpr std::string_view ids_space = "urn:xmpp:sid:0";

/// A message that says "yours arrived" or "yours was read". A request for a tick is not one.
bool is_tick(const Stanza& message) {
    const auto type = message.type();
    if (!type.empty() && type != "chat" && type != "normal") return false;
    if (message.has("received", receipts_space)) return true;
    const auto marker = message.xml().child_in(markers_space);
    return marker && marker.name() != "markable";
}

class Receipts final : public Module {
public:
    void wire(Wiring& w) override {
        w.on<&Receipts::refuse_forged_ids>(Event::stanza_in, this, priority::first);
        // Behind everybody who only looks (archive, carbons) and behind the one who puts messages into order (offline).
        w.on<&Receipts::deliver>(Event::deliver, this, priority::last);
        w.feature(ids_space, Scope::both);
    }

private:
    /// XEP-0359 §3, rule 2: an id "by" one of our entities that a client brings along was not given by that entity.
    void refuse_forged_ids(Session&, Stanza& stanza) {
        if (!stanza.is_message()) return;
        while (const auto forged = forged_id(stanza)) stanza.remove(forged);
    }

    Element forged_id(const Stanza& message) const {
        for (const auto child : message.xml().children()) {
            if (!child.is("stanza-id", ids_space)) continue;
            const auto by = Jid::parse(child.attribute("by"));
            if (by && host().is_local(by->domain())) return child;
        }
        return {};
    }

    /// A tick goes to every device of the one who waits for it, also if it was sent to a resource that is gone by now:
    /// each device shows the message that it belongs to, and RFC 6121 §8.5.3.2.1 would drop a tick of type normal.
    Verdict deliver(Account& account, Stanza& message) {
        if (!message.is_message() || !is_tick(message)) return Verdict::pass;
        if (message.to().is_full() && account.find(message.to().resource()) != nullptr) return Verdict::pass;
        const auto devices = listening(account);
        if (devices.empty()) return Verdict::pass;   // undelivered: the offline module keeps it
        for (const auto& device : devices) {
            auto copy = message;   // each device's own handlers may change what it gets
            if (auto* session = account.find(device.resource())) session->send(copy);
        }
        return Verdict::handled;
    }

    /// By name: sending can end a session.
    static std::vector<Jid> listening(Account& account) {
        std::vector<Jid> devices;
        for (auto* session : account.sessions())
            if (session->is_available() && session->priority() >= 0) devices.push_back(session->jid());
        return devices;
    }
};

}   // namespace

TAMBO_MODULE(Receipts, "receipts", "0.1.0", 1)
