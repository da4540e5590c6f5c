// XEP-0184 (1.4.0), XEP-0333 (1.0.0), XEP-0359 (0.7.0): ticks can be believed. They travel as messages do: to every
// device that listens (RFC 6121 §8.5), or into the queue of the offline module; what is left to do is to keep them
// honest, and to take the word of clients that have no other way to say what they got.
#include <cstdint>
#include <string_view>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view receipts_space = "urn:xmpp:receipts";
constexpr std::string_view ids_space = "urn:xmpp:sid:0";

/// Of a session without stream management: its client sends receipts, so what it did not get is known.
struct Confirming {
    static constexpr int version = 1;
    bool is_believed = false;
    bool has_failed = false;   ///< it leaves too many unconfirmed: not asked again
    std::uint32_t open = 0;    ///< held by it
};

class Receipts final : public Module {
public:
    void wire(Wiring& w) override {
        w.on<&Receipts::sent_by_client>(Event::stanza_in, this, priority::first);
        w.on<&Receipts::sent>(Event::sent, this);
        w.feature(ids_space, Scope::both);
    }

private:
    void sent_by_client(Session& session, Stanza& stanza) {
        if (!stanza.is_message() || stanza.is_error()) return;
        while (const auto forged = forged_id(stanza)) stanza.remove(forged);
        const auto receipt = stanza.child("received", receipts_space);
        if (!receipt) return;
        confirmed(session, stanza.to(), receipt.attribute("id"));
        break_loop(stanza);
    }

    /// XEP-0359 §3, rule 2: an id "by" one of our entities was not given by that entity if a client brings it along.
    /// Markers and archives name messages by these ids.
    Element forged_id(const Stanza& message) const {
        if (!message.xml().child_in(ids_space)) return {};
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

    // --- clients without XEP-0198: what they confirm in this way is kept until they do

    /// The first receipt says that the client sends any. It counts for what this session was sent by the one whom the
    /// receipt is for, and for nothing else.
    void confirmed(Session& session, const Jid& sender, std::string_view id) {
        if (session.keeps_sent() || sender.empty() || id.empty()) return;
        auto& confirming = confirming_(session);
        if (confirming.has_failed) return;
        if (!confirming.is_believed) {
            confirming.is_believed = true;
            session.set_confirming(true);
        } else if (host().journal().confirm(session, sender, id) && confirming.open > 0) {
            --confirming.open;
        }
    }

    /// What will not be confirmed is not waited for: what asks for no receipt, and what comes from somebody to whom a
    /// client does not show that its user is there (XEP-0184 §8).
    void sent(Session& session, Stanza& stanza) {
        if (stanza.sequence() == 0 || session.keeps_sent() || !confirming_.has(session)) return;
        auto& confirming = confirming_(session);
        if (!confirming.is_believed) return;
        const bool is_asked = stanza.has("request", receipts_space) && !stanza.id().empty() &&
                              session.account().may_see_presence(stanza.from());
        if (!is_asked)
            (void)host().journal().confirm(session, stanza.sequence());
        else if (++confirming.open > max_open)
            disbelieve(session, confirming);
    }

    /// A client that stopped to confirm would be sent everything again when it comes back.
    void disbelieve(Session& session, Confirming& confirming) {
        log().info("{} leaves {} messages without a receipt: what it is sent counts as delivered from now on",
                   session.jid().text(), confirming.open);
        confirming.is_believed = false;
        confirming.has_failed = true;
        session.set_confirming(false);
    }

    static constexpr std::uint32_t max_open = 500;

    Slot<Confirming> confirming_{"receipts-confirming"};
};

}   // namespace

TAMBO_MODULE(Receipts, "receipts", "0.2.0", 1)
