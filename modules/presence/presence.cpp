// RFC 6121 §4: presence: broadcast (§4.2, §4.4, §4.5), probes (§4.3), directed presence (§4.6), syntax (§4.7).
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

#include "../shared/priority.hpp"

namespace {

using namespace tambo;
using shared::read_priority, shared::trimmed;

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

/// §4.6: who got directed presence from a session, one address a line, in the session's slot.
class Directed {
public:
    explicit Directed(std::string& lines) : lines_(lines) {}

    std::size_t count() const { return static_cast<std::size_t>(std::ranges::count(lines_, '\n')); }
    bool has(const Jid& who) const { return find(who) != lines_.npos; }
    void add(const Jid& who) { lines_.append(who.text()).push_back('\n'); }
    void remove(const Jid& who) {
        if (const auto at = find(who); at != lines_.npos) lines_.erase(at, who.text().size() + 1);
    }
    std::vector<Jid> take() {
        std::vector<Jid> all;
        for (std::string_view rest = lines_; !rest.empty();) {
            const auto line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(rest.size(), line.size() + 1));
            if (auto jid = Jid::parse(line)) all.push_back(std::move(*jid));
        }
        lines_.clear();
        return all;
    }

private:
    // Prepared addresses hold no control characters, so a newline cannot be part of one (RFC 7622 §3.4).
    std::size_t find(const Jid& who) const {
        const auto line = std::string{who.text()} + '\n';
        for (auto at = lines_.find(line); at != lines_.npos; at = lines_.find(line, at + 1))
            if (at == 0 || lines_[at - 1] == '\n') return at;
        return lines_.npos;
    }
    std::string& lines_;
};

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
        give(stanza, session.jid());   // §4.2.2: everyone hears their own presence
        session.set_available(stanza, *priority);
        return Verdict::handled;
    }

    // §4.2.2: a resource that comes learns who is there: the user's other resources and, by probes (§4.3.1), the
    // contacts.
    void meet(Session& session) {
        for (const Session* other : session.account().sessions()) {
            if (other == &session || !other->is_available()) continue;
            Stanza copy = *other->presence();
            copy.set_to(session.jid());
            host().route(std::move(copy));
        }
        for (const Contact& contact : session.account().contacts())
            if (contact.to) host().route(Stanza::presence(session.jid(), contact.jid, "probe"));
    }

    // To the contacts who may see it, and to the user's other available resources.
    void broadcast(Session& session, const Stanza& stanza) {
        for (const Session* own : session.account().sessions())
            if (own != &session && own->is_available()) give(stanza, own->jid());
        for (const Contact& contact : session.account().contacts())
            if (contact.from) give(stanza, contact.jid);
    }

    void give(const Stanza& stanza, const Jid& to) {
        Stanza copy = stanza;
        copy.set_to(to);
        host().route(std::move(copy));
    }

    // --- §4.5: unavailable

    Verdict unavailable(Session& session, Stanza& stanza) {
        const bool was_available = session.is_available();
        leave(session, stanza);
        if (was_available) give(stanza, session.jid());   // §4.5.2: the sender too
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
        for (const auto& who : Directed{session.slot(slot_directed)}.take())
            if (!was_available || !hears_broadcasts(session, who)) give(goodbye, who);
        session.set_unavailable(goodbye);
    }

    // --- §4.6: directed presence

    Verdict directed(Session& session, const Stanza& stanza) {
        const auto type = stanza.type();
        Directed list{session.slot(slot_directed)};
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
            give(*session->presence(), probe.from());
            is_anybody_there = true;
        }
        if (!is_anybody_there) host().route(Stanza::presence(account.jid(), probe.from(), "unavailable"));
    }

    static constexpr std::string_view slot_directed = "directed-presence";
    Option<std::int64_t> max_directed_{"max_directed", 256,
                                       "addressees of directed presence that one session may have"};
};

}   // namespace

TAMBO_MODULE(Presence, "presence", "0.1.0", 1)
