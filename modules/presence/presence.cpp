// RFC 6121 §4: presence: broadcast (§4.2, §4.4, §4.5), probes (§4.3), directed presence (§4.6), syntax (§4.7).
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

#include "../shared/directed.hpp"
#include "../shared/priority.hpp"

namespace {

using namespace tambo;
using shared::Directed, shared::read_priority, shared::trimmed;

// §4.7.2.1. Empty is taken as absent: it says nothing, and some clients write it for "online".
bool is_show(std::string_view show) {
    constexpr std::array<std::string_view, 5> known{"", "away", "chat", "dnd", "xa"};
    return std::ranges::find(known, show) != known.end();
}

// §4.7.2: what a broadcast must be like so that others may rely on it. Gives the priority.
Result<int> check(Element presence) {
    int shows = 0, priorities = 0;
    for (const Element child : presence.children()) {
        shows += child.is("show", ns::client) ? 1 : 0;
        priorities += child.is("priority", ns::client) ? 1 : 0;
    }
    if (shows > 1 || priorities > 1) return fail(Condition::bad_request, "show and priority occur once at most");
    if (!is_show(trimmed(presence.child("show").text())))
        return fail(Condition::bad_request, "show is one of away, chat, dnd, xa");
    return read_priority(presence);
}

bool is_known_type(std::string_view type) {
    constexpr std::array<std::string_view, 8> known{"",          "unavailable", "error",       "probe",
                                                    "subscribe", "subscribed",  "unsubscribe", "unsubscribed"};
    return std::ranges::find(known, type) != known.end();
}

class Presence final : public Module {
public:
    void wire(Wiring& w) override {
        // Late: whoever wants to look at a client's presence, or keep it from going out, has had the chance.
        w.on<&Presence::from_client>(Event::stanza_in, this, priority::late);
        w.on<&Presence::arriving>(Event::deliver, this);
        w.on<&Presence::gone>(Event::unbound, this);
    }

private:
    Verdict from_client(Session& session, Stanza& stanza) {
        if (!stanza.is_presence()) return Verdict::pass;
        const auto type = stanza.type();
        if (!is_known_type(type)) return refuse(session, stanza, {Condition::bad_request, "no such type of presence"});
        if (!stanza.to().empty()) return directed(session, stanza);
        if (type.empty()) return available(session, stanza);
        if (type == "unavailable") return unavailable(session, stanza);
        if (type == "error") return Verdict::handled;   // about nothing that we sent
        return refuse(session, stanza, {Condition::bad_request, "this type of presence needs an addressee"});
    }

    Verdict refuse(Session& session, const Stanza& stanza, const Error& error) {
        auto refusal = stanza.error(error);
        session.send(refusal);
        return Verdict::handled;
    }

    // --- §4.2, §4.4: available

    Verdict available(Session& session, Stanza& stanza) {
        const auto priority = check(stanza.xml());
        if (!priority) return refuse(session, stanza, priority.error());
        const bool is_initial = !session.is_available();
        if (is_initial) meet(session);
        broadcast(session, stanza);
        give(session.account(), stanza, session.jid());   // §4.2.2: everyone hears their own presence
        session.set_available(stanza, *priority);
        return Verdict::handled;
    }

    // §4.2.2: a resource that comes learns who is there: the user's other resources and, by probes (§4.3.1), the
    // contacts.
    void meet(Session& session) {
        for (const Session* other : session.account().sessions()) {
            if (other == &session || !other->is_available()) continue;
            give(session.account(), *other->presence(), session.jid());
        }
        for (const Contact& contact : session.account().contacts())
            if (contact.to) session.account().send(Stanza::presence(session.jid(), contact.jid, "probe"));
    }

    // To the contacts who may see it, and to the user's other available resources.
    void broadcast(Session& session, const Stanza& stanza) {
        for (const Session* own : session.account().sessions())
            if (own != &session && own->is_available()) give(session.account(), stanza, own->jid());
        for (const Contact& contact : session.account().contacts())
            if (contact.from) give(session.account(), stanza, contact.jid);
    }

    // On the account's behalf: others may have a say in who gets to see it.
    static void give(Account& account, const Stanza& stanza, const Jid& to) {
        Stanza copy = stanza;
        copy.set_to(to);
        account.send(std::move(copy));
    }

    // --- §4.5: unavailable

    Verdict unavailable(Session& session, Stanza& stanza) {
        const bool was_available = session.is_available();
        leave(session, stanza);
        if (was_available) give(session.account(), stanza, session.jid());   // §4.5.2: the sender too
        return Verdict::handled;
    }

    // §4.5.1: the stream ended without a word, so the server finds one. Nothing goes to the session itself: its name
    // may already belong to the one that replaced it.
    void gone(Session& session) {
        auto goodbye = Stanza::presence(session.jid(), {}, "unavailable");
        leave(session, goodbye);
    }

    void leave(Session& session, Stanza& goodbye) {
        const bool was_available = session.is_available();
        if (was_available) broadcast(session, goodbye);
        for (const auto& who : Directed{session}.take())
            if (!was_available || !hears_broadcasts(session, who)) give(session.account(), goodbye, who);
        session.set_unavailable(goodbye);
    }

    // --- §4.6: directed presence

    Verdict directed(Session& session, const Stanza& stanza) {
        const auto type = stanza.type();
        Directed list{session};
        if (type == "unavailable") list.remove(stanza.to());
        if (!type.empty() || list.has(stanza.to())) return Verdict::pass;
        if (session.is_available() && hears_broadcasts(session, stanza.to())) return Verdict::pass;
        if (list.count() >= static_cast<std::size_t>(std::max<std::int64_t>(*max_directed_, 0)))
            return refuse(session, stanza, {Condition::resource_constraint, "directed presence to too many"});
        list.add(stanza.to());
        return Verdict::pass;   // the kernel routes it
    }

    static bool hears_broadcasts(Session& session, const Jid& who) { return session.account().may_see_presence(who); }

    // --- §4.3: probes

    Verdict arriving(Account& account, Stanza& stanza) {
        if (!stanza.is_presence() || stanza.type() != "probe") return Verdict::pass;
        answer_probe(account, stanza);
        return Verdict::handled;
    }

    // §4.3.2: the same answer for a stranger and for an account that does not exist. It also mends a subscription that
    // only one side believes in.
    void answer_probe(Account& account, const Stanza& probe) {
        if (!account.exists() || !account.may_see_presence(probe.from())) {
            host().route(Stanza::presence(account.jid(), probe.from().bare(), "unsubscribed"));
            return;
        }
        bool is_anybody_there = false;
        for (const Session* session : account.sessions()) {
            if (!session->is_available()) continue;
            if (probe.to().is_full() && probe.to() != session->jid()) continue;
            give(account, *session->presence(), probe.from());
            is_anybody_there = true;
        }
        if (!is_anybody_there) account.send(Stanza::presence(account.jid(), probe.from(), "unavailable"));
    }

    Option<std::int64_t> max_directed_{"max_directed", 256,
                                       "addressees of directed presence that one session may have"};
};

}   // namespace

TAMBO_MODULE(Presence, "presence", "0.1.0", 1)
