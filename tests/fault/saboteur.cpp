// Hears every event of one user and throws at the n-th: nobody else may notice.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Saboteur final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&Saboteur::confess>("urn:tambo:test:saboteur", "query", this, Scope::server);
        for (const auto event : {Event::stanza_in, Event::stanza_out, Event::sent, Event::online, Event::offline})
            w.on<&Saboteur::said>(event, this, priority::first);
        for (const auto event : {Event::bound, Event::resumed, Event::detached, Event::unbound})
            w.on<&Saboteur::happened>(event, this, priority::first);
        for (const auto event : {Event::deliver, Event::undelivered})
            w.on<&Saboteur::arrived>(event, this, priority::first);
        w.on<&Saboteur::changed>(Event::loaded, this, priority::first);
    }

private:
    void said(Session& session, Stanza&) { strike(session.bare_jid()); }
    void happened(Session& session) { strike(session.bare_jid()); }
    void arrived(Account& account, Stanza&) { strike(account.jid()); }
    void changed(Account& account) { strike(account.jid()); }

    void strike(const Jid& whose) {
        if (whose.local() != *victim_) return;
        ++events_;
        if (*at_ < 0 || events_ == *at_) throw std::runtime_error{"a plague o' both your houses"};
    }

    Reply confess(Iq&) { return Reply{}.element("query", "urn:tambo:test:saboteur").attribute("events", events_); }

    Option<std::int64_t> at_{"at", 0, "throws at this event of the victim; 0: at none, -1: at each"};
    Option<std::string> victim_{"victim", "tybalt", "whose events it strikes, by local part"};
    std::int64_t events_ = 0;
};

}   // namespace

TAMBO_MODULE(Saboteur, "saboteur", "0.1.0", 1)
