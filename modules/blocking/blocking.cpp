// XEP-0191 (1.3): nothing from those whom a user has blocked, and nothing to them. Reasons that clients add for a
// report (XEP-0377, 0.4.1) are allowed and not kept.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/tambo.hpp>

#include "../shared/directed.hpp"
#include "blocklist.hpp"

namespace {

using namespace tambo;
using namespace tambo::blocking;
using tambo::shared::Directed;

constexpr std::string_view blocking_space = "urn:xmpp:blocking";
constexpr std::string_view errors_space = "urn:xmpp:blocking:errors";

/// §3.3, §3.4: pushes go to the resources that asked for the list.
struct Interest {
    static constexpr int version = 1;
    bool is_interested = false;
};

/// Before whoever would keep, copy or answer what comes from a blocked address or goes to one.
constexpr int before_all_others = priority::first;

Result<std::vector<Jid>> read_items(Element request) {
    std::vector<Jid> entries;
    for (const auto item : request.children()) {
        if (!item.is("item", blocking_space)) continue;
        auto jid = Jid::parse(item.attribute("jid"));
        if (!jid) return fail(Condition::jid_malformed, jid.error().text);
        if (std::ranges::find(entries, *jid) == entries.end()) entries.push_back(std::move(*jid));
    }
    return entries;
}

std::string write(std::string_view name, const std::vector<Jid>& entries) {
    Writer list;
    list.element(name, blocking_space);
    for (const auto& entry : entries) list.element("item").attribute("jid", entry.text()).end();
    return list.take();
}

class Blocking final : public Module {
public:
    void wire(Wiring& w) override {
        w.on<&Blocking::leaving>(Event::stanza_in, this, before_all_others);
        w.on<&Blocking::arriving>(Event::deliver, this, before_all_others);
        w.on<&Blocking::sent_by_server>(Event::outgoing, this, before_all_others);
        w.iq<&Blocking::list>(blocking_space, "blocklist", this, Scope::account);
        w.iq<&Blocking::block>(blocking_space, "block", this, Scope::account);
        w.iq<&Blocking::unblock>(blocking_space, "unblock", this, Scope::account);
        w.on<&Blocking::write_out>(Event::exported, this);
        w.on<&Blocking::read_in>(Event::imported, this);
        w.keeps("blocklist", "whom a user has blocked (XEP-0191)");
        w.feature(blocking_space, Scope::both);
    }

private:
    // --- §3.3: what a block means

    Verdict leaving(Session& session, const Stanza& stanza) {
        if (!blocklist_.blocks(session.account(), stanza.to())) return Verdict::pass;
        const bool is_answer = stanza.is_error() || (stanza.is_iq() && !stanza.is_request());
        if (!is_answer) {
            auto refusal = stanza.error({Condition::not_acceptable, {}});
            refusal.set_inner(Writer{}
                                  .element("error")
                                  .attribute("type", "cancel")
                                  .element("not-acceptable", ns::stanza_errors)
                                  .end()
                                  .element("blocked", errors_space)
                                  .take());
            session.send(refusal);
        }
        return Verdict::handled;
    }

    Verdict arriving(Account& account, const Stanza& stanza) {
        if (!blocklist_.blocks(account, stanza.from())) return Verdict::pass;
        if (is_refused_aloud(stanza)) host().route(stanza.error({Condition::service_unavailable, {}}));
        return Verdict::handled;
    }

    /// Presence never; a headline is not missed by its sender (RFC 6121 §8.5.2.1); and a chat room that gets an error
    /// for what one of its occupants said would throw the user out.
    static bool is_refused_aloud(const Stanza& stanza) {
        if (stanza.is_iq()) return stanza.is_request();
        const auto type = stanza.type();
        return stanza.is_message() && type != "error" && type != "groupchat" && type != "headline";
    }

    Verdict sent_by_server(Account& account, const Stanza& stanza) {
        return blocklist_.blocks(account, stanza.to()) ? Verdict::handled : Verdict::pass;
    }

    // --- §3.2 to §3.5: what clients ask

    Reply list(Iq& iq) {
        if (!iq.is_own()) return not_yours();
        if (!iq.is_get()) return Error{Condition::bad_request, "the list is changed with block and unblock"};
        interest_(*iq.session()).is_interested = true;
        return Reply{}.raw(write("blocklist", blocklist_.all(*iq.account())));
    }

    Reply block(Iq& iq) {
        const auto entries = read_change(iq);
        if (!entries) return entries.error();
        if (entries->empty()) return Error{Condition::bad_request, "say whom to block"};
        auto& account = *iq.account();
        if (!has_room(account, *entries)) return Error{Condition::resource_constraint, "the list is full"};
        for (const auto& entry : *entries) hide(account, entry);
        for (const auto& entry : *entries) blocklist_.add(account, entry);
        push(account, write("block", *entries));
        return {};
    }

    Reply unblock(Iq& iq) {
        const auto entries = read_change(iq);
        if (!entries) return entries.error();
        auto& account = *iq.account();
        auto going = entries->empty() ? blocklist_.all(account) : *entries;
        std::erase_if(going, [&](const Jid& entry) { return !blocklist_.has(account, entry); });
        for (const auto& entry : going) blocklist_.remove(account, entry);
        for (const auto& entry : going) show(account, entry);
        push(account, write("unblock", *entries));
        return {};
    }

    static Result<std::vector<Jid>> read_change(const Iq& iq) {
        if (!iq.is_own()) return std::unexpected{not_yours()};
        if (!iq.is_set()) return fail(Condition::bad_request, "this takes an iq of type set");
        return read_items(iq.payload());
    }

    /// As for an account that does not exist.
    static Error not_yours() { return {Condition::service_unavailable, "this list belongs to somebody else"}; }

    bool has_room(const Account& account, const std::vector<Jid>& entries) const {
        const auto fresh = std::ranges::count_if(entries, [&](const Jid& e) { return !blocklist_.has(account, e); });
        return static_cast<std::int64_t>(blocklist_.count(account)) + fresh <= *max_items_ || fresh == 0;
    }

    void push(const Account& account, std::string change) {
        host().spawn(push_when_kept(account.jid(), std::move(change)));
    }

    Task<void> push_when_kept(Jid owner, std::string change) {
        auto keeping = host().kept();
        if (const auto kept = co_await std::move(keeping); !kept) co_return;   // the store has said why
        for (const auto& device : interested(owner)) {
            auto* account = host().find_account(owner);
            auto* session = account != nullptr ? account->find(device.resource()) : nullptr;
            if (session == nullptr) continue;
            auto iq = Stanza::iq({}, device, "set", "block-" + random_token(12));
            iq.set_inner(change);
            session->send(iq);
        }
    }

    /// By name: sending can end a session.
    std::vector<Jid> interested(const Jid& owner) {
        std::vector<Jid> devices;
        auto* account = host().find_account(owner);
        if (account == nullptr) return devices;
        for (auto* session : account->sessions())
            if (interest_.has(*session) && interest_(*session).is_interested) devices.push_back(session->jid());
        return devices;
    }

    // --- §3.3, §3.4: presence, for those who are allowed to see it

    /// Whom an entry concerns among those who see the user's presence.
    static std::vector<Jid> watchers(const Account& account, const Jid& entry) {
        std::vector<Jid> found;
        for (const auto& contact : account.contacts()) {
            if (!contact.from) continue;
            if (covers(entry, contact.jid))
                found.push_back(contact.jid);
            else if (entry.is_full() && entry.bare_text() == contact.jid.text())
                found.push_back(entry);   // only that resource of the contact
        }
        return found;
    }

    /// Called before the entry is in the list. Not by Account::send, which the other entries would stop.
    void hide(Account& account, const Jid& entry) {
        auto gone = watchers(account, entry);
        std::erase_if(gone, [&](const Jid& who) { return blocklist_.blocks(account, who) || is_own(account, who); });
        for (auto* session : account.sessions()) {
            auto last_words = session->is_available() ? gone : std::vector<Jid>{};
            for (const auto& who : Directed{*session}.all()) {
                if (!covers(entry, who) || is_own(account, who)) continue;
                Directed{*session}.remove(who);
                last_words.push_back(who);
            }
            for (const auto& who : last_words) host().route(Stanza::presence(session->jid(), who, "unavailable"));
        }
    }

    /// Called when the entry has left the list; Account::send stops what another entry still forbids. The probe brings
    /// the contact's presence, which the block kept out.
    void show(Account& account, const Jid& entry) {
        bool is_anybody_there = false;
        for (auto* session : account.sessions()) {
            if (!session->is_available()) continue;
            is_anybody_there = true;
            for (const auto& who : watchers(account, entry)) {
                Stanza presence = *session->presence();
                presence.set_to(who);
                account.send(std::move(presence));
            }
        }
        if (!is_anybody_there) return;
        std::vector<Jid> seen;
        for (const auto& contact : account.contacts())
            if (contact.to && covers(entry, contact.jid)) seen.push_back(contact.jid);
        for (const auto& who : seen) account.send(Stanza::presence(account.jid(), who, "probe"));
    }

    static bool is_own(const Account& account, const Jid& who) { return who.bare_text() == account.jid().text(); }

    // --- XEP-0227 has no element for it; this is the list as clients get it

    void write_out(Account& account, Stanza& user) const {
        if (const auto entries = blocklist_.all(account); !entries.empty()) user.append(write("blocklist", entries));
    }

    void read_in(Account& account, Stanza& user) const {
        const auto list = user.child("blocklist", blocking_space);
        if (!list) return;
        for (const auto& entry : blocklist_.all(account)) blocklist_.remove(account, entry);
        for (const auto item : list.children()) {
            if (const auto entry = Jid::parse(item.attribute("jid")))
                blocklist_.add(account, *entry);
            else
                log().warning("an address in the blocklist of {} is none and is left out", account.jid().text());
        }
        user.remove(list);
    }

    Option<std::int64_t> max_items_{"max_items", 1000, "addresses that one user may block"};
    Slot<Interest> interest_{"blocking"};
    Blocklist blocklist_;
};

}   // namespace

TAMBO_MODULE(Blocking, "blocking", "0.1.0", 1)
