// RFC 6121 §4: presence: broadcast (§4.2, §4.4, §4.5), probes (§4.3), directed presence (§4.6), syntax (§4.7). And what
// contacts see of somebody whose connection broke, while the session waits for its client (XEP-0198 §5).
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

#include "../shared/directed.hpp"
#include "../shared/grace.hpp"
#include "../shared/priority.hpp"

namespace {

using namespace tambo;
using shared::Directed, shared::read_priority, shared::trimmed;
using shared::Grace, shared::grace_of, shared::is_visible;

constexpr std::string_view grace_timer = "presence-grace";       // a client is away
constexpr std::string_view restart_timer = "presence-restart";   // a client came back after a restart of the server
constexpr std::string_view run_slot = "presence-run";            // in which run of the server a session was bound
constexpr std::string_view absence_space = "urn:tambo:presence:0";
constexpr Duration longest_look{10'000};

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

/// Contacts were told that the user has gone, while the session waits.
struct Away {
    static constexpr int version = 1;
    static constexpr bool durable = true;
    bool is_told = false;
};

class Presence final : public Module {
public:
    void wire(Wiring& w) override {
        // Late: whoever wants to look at a client's presence, or keep it from going out, has had the chance.
        w.on<&Presence::from_client>(Event::stanza_in, this, priority::late);
        w.on<&Presence::arriving>(Event::deliver, this);
        w.on<&Presence::outgoing>(Event::outgoing, this, priority::first);
        w.on<&Presence::bound>(Event::bound, this);
        // First, since stream management keeps the rest from hearing it.
        w.on<&Presence::detached>(Event::detached, this, priority::first);
        w.on<&Presence::restored>(Event::restored, this, priority::first);
        w.on<&Presence::resumed>(Event::resumed, this);
        w.on<&Presence::gone>(Event::unbound, this);
        w.timer<&Presence::grace_is_over>(grace_timer, this);
        w.timer<&Presence::ask_who_is_absent>(restart_timer, this);
        w.every<&Presence::look_for_waiting>(std::clamp(*grace_, Duration{1000}, longest_look), this);
    }

    Bytes save() const override { return run_; }
    bool load(std::string_view state) override {
        run_ = state;
        return true;
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
            if (other == &session || !is_visible(*other)) continue;
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
        if (is_visible(session)) broadcast(session, goodbye);
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
        const bool wants_absence_only = probe.has("absent", absence_space);
        if (!account.exists() || !account.may_see_presence(probe.from())) {
            host().route(Stanza::presence(account.jid(), probe.from().bare(), "unsubscribed"));
            return;
        }
        bool is_anybody_there = false;
        for (const Session* session : account.sessions()) {
            if (!is_visible(*session)) continue;
            if (probe.to().is_full() && probe.to() != session->jid()) continue;
            if (!wants_absence_only) give(account, *session->presence(), probe.from());
            is_anybody_there = true;
        }
        if (!is_anybody_there) account.send(Stanza::presence(account.jid(), probe.from(), "unavailable"));
    }

    // --- a lost connection: contacts see the user gone long before the session ends
    //
    // The session stays available: messages go on to wait in it for the client. Whoever got directed presence hears
    // nothing: for a room, "unavailable" would be the end of a membership that the client still believes in.

    void detached(Session& session) {
        if (!session.is_available()) return;
        set_grace(session, Grace::running);
        session.arm(grace_timer, *grace_);
    }

    void set_grace(Session& session, Grace grace) const {
        session.slot(shared::grace_slot).assign(1, static_cast<char>(grace)).append(run_);
    }

    /// Sessions whose loss nobody has told of: from before a restart of the server, or while this module was out.
    void look_for_waiting() {
        host().each_session([this](Session& session) {
            if (!session.link().is_connected && is_visible(session) && !is_watched(session)) detached(session);
        });
    }

    bool is_watched(const Session& session) const {
        const auto* note = session.find_slot(shared::grace_slot);
        return grace_of(session) == Grace::running && std::string_view{*note}.substr(1) == run_;
    }

    void grace_is_over(Session& session) {
        if (session.link().is_connected || !is_visible(session)) return;
        broadcast(session, Stanza::presence(session.jid(), {}, "unavailable"));
        set_grace(session, Grace::over);
        away_(session).is_told = true;
        write_down(session);
    }

    /// What contacts believe of it outlives a restart, as they do.
    void restored(Session& session) {
        if (away_(session).is_told)
            set_grace(session, Grace::over);
        else
            detached(session);
    }

    /// A durable session is kept anew with its presence, and what hangs on it goes along.
    static void write_down(Session& session) {
        const Stanza presence = *session.presence();
        session.set_available(presence, session.priority());
    }

    void resumed(Session& session) {
        session.disarm(grace_timer);
        const bool was_visible = is_visible(session);
        set_grace(session, Grace::none);
        if (!session.is_available()) return;
        if (!was_visible) show_again(session);
        if (session.slot(run_slot) != run_)
            session.arm(restart_timer, std::max(began_ + *grace_ - host().uptime(), Duration::zero()));
    }

    void show_again(Session& session) {
        away_(session).is_told = false;
        broadcast(session, *session.presence());
        write_down(session);
    }

    /// What others send for the user (a new contact gets to see the presence, a new picture is announced) must not
    /// bring back who was said to be gone.
    Verdict outgoing(Account& account, Stanza& stanza) {
        if (!stanza.is_presence() || !stanza.type().empty() || !stanza.from().is_full()) return Verdict::pass;
        const auto* session = account.find(stanza.from().resource());
        return session != nullptr && grace_of(*session) == Grace::over ? Verdict::handled : Verdict::pass;
    }

    // --- a restart of the server, over which the session was kept

    void bound(Session& session) { session.slot(run_slot) = run_; }

    /// The client believes what it saw before the restart. Of contacts whose sessions were kept as well that is still
    /// true, others who are back have said so, and the rest left without a word. Asked when contacts have had their
    /// time to come back.
    void ask_who_is_absent(Session& session) {
        if (!session.link().is_connected || !session.is_available()) return;   // when it resumes again
        session.slot(run_slot) = run_;
        for (const Contact& contact : session.account().contacts()) {
            if (!contact.to) continue;
            auto probe = Stanza::presence(session.jid(), contact.jid, "probe");
            probe.append(Writer{}.element("absent", absence_space).take());
            session.account().send(std::move(probe));
        }
    }

    Option<Duration> grace_{"presence_grace", std::chrono::minutes{1},
                            "how long a client may be away before contacts see the user gone; the session waits on"};
    Slot<Away> away_{"presence-away"};
    Duration began_ = host().uptime();
    Bytes run_ = random_token(8);   ///< not the one of a server that was here before

    Option<std::int64_t> max_directed_{"max_directed", 256,
                                       "addressees of directed presence that one session may have"};
};

}   // namespace

TAMBO_MODULE(Presence, "presence", "0.1.0", 1)
