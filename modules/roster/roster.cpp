// RFC 6121 §2 and §3: rosters, with versions (§2.6), and subscriptions, with pre-approval (§3.4).
#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <tambo/tambo.hpp>

#include "item.hpp"
#include "ledger.hpp"
#include "subscription.hpp"

namespace {

using namespace tambo;
using namespace tambo::roster;

constexpr std::string_view ns_versioning = "urn:xmpp:features:rosterver";
constexpr std::string_view ns_pre_approval = "urn:xmpp:features:pre-approval";
constexpr int rank_versioning = 80, rank_pre_approval = 81;
constexpr std::size_t max_interim_pushes = 50;   // beyond that the whole roster is shorter

/// §2.1.6: a session is interested once it has asked for the roster.
struct Interest {
    static constexpr int version = 1;
    bool is_interested = false;
    bool knows_versions = false;
};

/// One change on its way to the clients. Rendered when it happens: a later change has a push of its own.
struct Push {
    std::string item;   ///< as XML
    std::string version;
};

std::string render(std::string_view contact, const std::optional<Item>& item) {
    Writer w{};
    if (item)
        write(w, contact, *item);
    else
        write_removed(w, contact);
    return w.take();
}

class Roster final : public Module {
public:
    void wire(Wiring& w) override {
        w.keeps("roster", "contacts, their names and groups");
        w.keeps("roster-requests", "subscription requests that wait for an answer");
        w.keeps("roster-version", "the version of the roster");
        w.keeps("roster-removed", "contacts that were removed lately");
        w.on<&Roster::announce>(Event::loaded, this, priority::first);
        w.on<&Roster::leave>(Event::removed, this);
        w.iq<&Roster::query>(ns_roster, "query", this, Scope::account);
        w.on<&Roster::send>(Event::stanza_in, this, priority::early);
        w.on<&Roster::receive>(Event::deliver, this);
        w.on<&Roster::remind>(Event::online, this);
        w.negotiate<&Roster::offer_versions, &Roster::nothing_to_do>(Phase::before_bind, ns_versioning, rank_versioning,
                                                                     this);
        w.negotiate<&Roster::offer_pre_approval, &Roster::nothing_to_do>(Phase::before_bind, ns_pre_approval,
                                                                         rank_pre_approval, this);
        w.on<&Roster::write_out>(Event::exported, this);
        w.on<&Roster::read_in>(Event::imported, this);
        w.feature(ns_roster);
    }

private:
    // --- what clients are offered

    void offer_versions(const StreamInfo&, Writer& features) { features.element("ver", ns_versioning).end(); }
    void offer_pre_approval(const StreamInfo&, Writer& features) { features.element("sub", ns_pre_approval).end(); }
    // Both only inform (§2.6.1, §3.4.1); a client that takes them for steps gets no answer.
    Task<void> nothing_to_do(Handshake&, Stanza) { co_return; }

    // --- the account comes and goes

    void announce(Account& account) {
        if (const auto lost = ledger_.announce(account))
            log().error("{} roster items of {} cannot be read; they stay in the store, untouched", lost,
                        account.jid().text());
    }

    // XEP-0077 §3.2 leaves it open; contacts who would wait for presence forever are told.
    void leave(Account& account) {
        ledger_.each(account, [&](std::string_view key, const Item& item) {
            const auto contact = Jid::parse(key);
            if (contact) part(account, *contact, item.state);
        });
        for (const auto& request : ledger_.requests(account)) part(account, request.from(), {.in = true});
    }

    // --- §2: the roster

    Reply query(Iq& iq) {
        if (!iq.is_own()) return Error{Condition::forbidden, "this roster belongs to somebody else"};
        return iq.is_get() ? get(iq) : set(iq);
    }

    Reply get(Iq& iq) {
        auto& account = *iq.account();
        const auto known = iq.payload().attribute("ver");
        const bool knows_versions = iq.payload().has_attribute("ver");
        interest_(*iq.session()) = {.is_interested = true, .knows_versions = knows_versions};
        const auto version = ledger_.version(account);
        if (knows_versions && known == version) return {};
        if (const auto missed = ledger_.changes_since(account, known); missed && missed->size() <= max_interim_pushes) {
            push_later(iq.session()->jid(), *missed);
            return {};
        }
        return whole(account, knows_versions ? version : "");
    }

    Reply whole(const Account& account, std::string_view version) {
        Writer query;
        query.element("query", ns_roster).attribute_if("ver", version);
        ledger_.each(account, [&](std::string_view contact, const Item& item) { write(query, contact, item); });
        return Reply{}.raw(query.take());
    }

    Reply set(Iq& iq) {
        const auto wish = read_wish(iq.payload(), count_of(max_groups_));
        if (!wish) return wish.error();
        auto& account = *iq.account();
        if (wish->contact == account.jid())
            return Error{Condition::not_allowed, "your own address needs no roster item"};
        auto standing = ledger_.look(account, wish->contact);
        if (wish->removal) return remove(account, wish->contact, standing);
        if (!standing.is_listed && is_full(account)) return too_many();
        standing.item.name = wish->name;
        standing.item.groups = wish->groups;
        keep(account, wish->contact, standing.item);
        return {};
    }

    // §2.5.2: who is removed is also told that nothing remains of the subscription.
    Reply remove(Account& account, const Jid& contact, const Standing& standing) {
        if (!standing.is_listed) return Error{Condition::item_not_found};
        ledger_.remove(account, contact);
        part(account, contact, standing.item.state);
        push(account, render(contact.text(), std::nullopt));
        return {};
    }

    bool is_full(const Account& account) const { return ledger_.count(account) >= count_of(max_items_); }
    static Error too_many() { return {Condition::resource_constraint, "the roster is full"}; }

    // --- §2.1.6: pushes

    void keep(Account& account, const Jid& contact, const Item& item) {
        ledger_.put(account, contact, item);
        push(account, render(contact.text(), item));
    }

    void push(const Account& account, std::string item) {
        host().spawn(push_when_kept(account.jid(), {std::move(item), ledger_.version(account)}));
    }

    Task<void> push_when_kept(Jid owner, Push push) {
        if (const auto kept = co_await host().kept(); !kept) co_return;   // the store has said why
        if (auto* account = host().find_account(owner)) {
            each_interested(*account, [&](Session& session) { send_push(session, push); });
        }
    }

    // §2.6.3: the changes that a client missed follow the empty result.
    void push_later(const Jid& full, const std::vector<Change>& missed) {
        std::vector<Push> pushes;
        pushes.reserve(missed.size());
        for (const auto& change : missed) pushes.push_back({render(change.contact, change.item), change.name});
        if (pushes.empty()) return;
        host().defer([this, full, pushes = std::move(pushes)] {
            for (const auto& push : pushes) {
                auto* account = host().find_account(full.bare());
                auto* session = account != nullptr ? account->find(full.resource()) : nullptr;
                if (session == nullptr) return;
                send_push(*session, push);
            }
        });
    }

    void send_push(Session& session, const Push& push) {
        Writer query;
        query.element("query", ns_roster);
        if (interest_(session).knows_versions) query.attribute("ver", push.version);
        query.raw(push.item);
        auto iq = Stanza::iq({}, session.jid(), "set", "push-" + push.version);
        iq.set_inner(query.take());
        session.send(iq);
    }

    // --- §3: subscriptions, seen from the user

    Verdict send(Session& session, Stanza& stanza) {
        const auto act = stanza.is_presence() ? act_of(stanza.type()) : std::nullopt;
        if (!act || stanza.to().empty()) return Verdict::pass;
        auto& account = session.account();
        const auto contact = stanza.to().bare();
        if (contact == account.jid()) return Verdict::handled;   // everyone sees their own presence anyway

        auto standing = ledger_.look(account, contact);
        const auto before = standing.item.state;
        const auto outcome = outbound(*act, before);
        const bool is_visible = looks_different(before, outcome.state);
        if (is_visible && !standing.is_listed && is_full(account)) {
            auto refusal = stanza.error(too_many());
            session.send(refusal);
            return Verdict::handled;
        }
        if (before.in && !outcome.state.in) ledger_.erase_request(account, contact);
        standing.item.state = outcome.state;
        if (is_visible) keep(account, contact, standing.item);
        if (outcome.ends_presence) hide_presence(account, contact);   // §3.2.2: while it still may see it
        if (outcome.passes) pass_on(account, contact, stanza);
        if (outcome.begins_presence) show_presence(account, contact);
        return Verdict::handled;
    }

    // §3.1.2: stamped with bare JIDs on both sides.
    void pass_on(const Account& account, const Jid& contact, const Stanza& stanza) {
        Stanza stamped = stanza;
        stamped.set_from(account.jid());
        stamped.set_to(contact);
        host().route(std::move(stamped));
    }

    // --- §3: subscriptions, seen from the contact's side

    Verdict receive(Account& account, Stanza& stanza) {
        const auto act = stanza.is_presence() ? act_of(stanza.type()) : std::nullopt;
        if (!act) return Verdict::pass;
        // §8.5.1: nobody learns from this whether the account exists.
        if (!account.exists() || stanza.from().empty()) return Verdict::handled;
        const auto contact = stanza.from().bare();
        if (contact == account.jid()) return Verdict::handled;
        stanza.set_from(contact);
        stanza.set_to(account.jid());   // §3.1.3: a full JID is treated as the bare one
        take(account, contact, *act, stanza);
        return Verdict::handled;
    }

    void take(Account& account, const Jid& contact, Act act, Stanza& stanza) {
        auto standing = ledger_.look(account, contact);
        const auto before = standing.item.state;
        const auto outcome = inbound(act, before);
        if (outcome.state.in && !before.in) {
            // Forgetting one request of a flood is better than keeping them all; the contact can ask again.
            if (ledger_.count_requests(account) >= count_of(max_requests_)) return;
            ledger_.put_request(account, contact, stanza);
        }
        if (before.in && !outcome.state.in) ledger_.erase_request(account, contact);
        // §3.1.6, §3.2.3: the stanza comes before the push that it explains.
        if (outcome.passes) deliver(account, act, stanza);
        standing.item.state = outcome.state;
        if (looks_different(before, outcome.state) && standing.is_listed) keep(account, contact, standing.item);
        if (outcome.answers) host().route(Stanza::presence(account.jid(), contact, "subscribed"));
        if (outcome.ends_presence) hide_presence(account, contact);
        if (outcome.begins_presence) show_presence(account, contact);
    }

    // §3.1.3: requests go to who is available; §3.1.6, §3.2.3, §3.3.3: the rest to who is interested.
    void deliver(Account& account, Act act, const Stanza& stanza) {
        const auto give = [&](Session& session) {
            Stanza copy = stanza;
            session.send(copy);
        };
        if (act == Act::subscribe)
            each_session(account, [&](Session& s) {
                if (s.is_available()) give(s);
            });
        else
            each_interested(account, give);
    }

    // §3.1.3: requests that wait are shown at each login, until they are answered. §3.1.2: what was asked and not
    // answered is asked again; the contact's side shows it once only.
    void remind(Session& session) {
        auto& account = session.account();
        for (auto& request : ledger_.requests(account)) session.send(request);
        const auto sessions = account.sessions();
        if (std::ranges::count_if(sessions, [](Session* s) { return s->is_available(); }) > 1) return;
        for (const auto& contact : ledger_.unanswered(account))
            account.send(Stanza::presence(account.jid(), contact, "subscribe"));
    }

    // --- XEP-0227 §4.3 and §4.9

    void write_out(Account& account, Stanza& user) {
        Writer query;
        query.element("query", ns_roster);
        ledger_.each(account, [&](std::string_view contact, const Item& item) { write(query, contact, item); });
        user.append(query.take());
        for (auto& request : ledger_.requests(account)) {
            request.set_extra(" xmlns='jabber:client'");   // the parts of a user are in another namespace
            user.append(request.str());
        }
    }

    // What two servers know of each other's users is moved as it is: nobody is asked or told anything.
    void read_in(Account& account, Stanza& user) {
        const auto query = user.child("query", ns_roster);
        if (!query) return;
        forget(account);
        for (const auto element : query.children()) {
            const auto item =
                element.is("item", ns_roster) ? read_exported(element, count_of(max_groups_)) : std::nullopt;
            if (item && item->first != account.jid()) keep(account, item->first, item->second);
        }
        user.remove(query);
        while (const auto element = subscription_request(user)) {
            auto request = Stanza::parse(element.standalone());
            if (request && !request->from().empty()) {
                const auto contact = request->from().bare();
                request->set_from(contact);
                request->set_to(account.jid());
                ledger_.put_request(account, contact, *request);
            }
            user.remove(element);
        }
    }

    static Element subscription_request(const Stanza& user) {
        for (const auto child : user.xml().children())
            if (child.is("presence", ns::client) && child.attribute("type") == "subscribe") return child;
        return {};
    }

    void forget(Account& account) {
        std::vector<Jid> contacts;
        ledger_.each(account, [&](std::string_view key, const Item&) {
            if (auto contact = Jid::parse(key)) contacts.push_back(std::move(*contact));
        });
        for (const auto& contact : contacts) {
            ledger_.remove(account, contact);
            push(account, render(contact.text(), std::nullopt));
        }
        for (const auto& request : ledger_.requests(account)) ledger_.erase_request(account, request.from().bare());
    }

    // --- what both sides need

    // Ends whatever there is between the two, in both directions.
    void part(Account& account, const Jid& contact, State state) {
        if (state.to || state.out) host().route(Stanza::presence(account.jid(), contact, "unsubscribe"));
        if (state.from) hide_presence(account, contact);
        if (state.from || state.in) host().route(Stanza::presence(account.jid(), contact, "unsubscribed"));
    }

    void show_presence(Account& account, const Jid& contact) {
        for (const Session* session : account.sessions()) {
            const auto* presence = session->presence();
            if (presence == nullptr) continue;
            Stanza copy = *presence;
            copy.set_to(contact);
            account.send(std::move(copy));
        }
    }

    void hide_presence(Account& account, const Jid& contact) {
        for (const Session* session : account.sessions())
            if (session->is_available()) account.send(Stanza::presence(session->jid(), contact, "unavailable"));
    }

    // Sending may end a session, so each is looked for again before its turn.
    template <class F>
    static void each_session(Account& account, F&& see) {
        const auto now = account.sessions();
        const std::vector<Session*> all{now.begin(), now.end()};
        for (Session* session : all)
            if (std::ranges::find(account.sessions(), session) != account.sessions().end()) see(*session);
    }

    template <class F>
    void each_interested(Account& account, F&& see) {
        each_session(account, [&](Session& session) {
            if (interest_.has(session) && interest_(session).is_interested) see(session);
        });
    }

    static std::size_t count_of(std::int64_t option) { return option < 0 ? 0 : static_cast<std::size_t>(option); }

    Option<std::int64_t> max_items_{"max_items", 1000, "contacts that one roster may hold"};
    Option<std::int64_t> max_groups_{"max_groups", 50, "groups that one contact may be in"};
    Option<std::int64_t> max_requests_{"max_requests", 100,
                                       "subscription requests that wait for one user's answer; more are not taken"};
    Slot<Interest> interest_{"roster"};
    Ledger ledger_;
};

}   // namespace

TAMBO_MODULE(Roster, "roster", "0.1.0", 1)
