// Stanzas on their way: marks are put on and taken off, reports and markers are entered, clients forge nothing.
#include <algorithm>
#include <utility>

#include "../shared/message.hpp"
#include "ticks.hpp"

namespace tambo::ticks {

namespace {

using namespace tambo::shared;

constexpr std::string_view markers_space = "urn:xmpp:chat-markers:0";   // XEP-0333
constexpr std::string_view receipts_space = "urn:xmpp:receipts";        // XEP-0184

bool is_for_a_person(const Stanza& message) {
    return message.type().empty() || message.type() == "chat" || message.type() == "normal";
}

/// A tick about another message.
bool is_tick(const Element& child) {
    return child.space() == markers_space ? child.name() != "markable" : child.is("received", receipts_space);
}

/// Something to read, not only a tick.
bool says_something(const Stanza& message) {
    for (const auto child : message.xml().children())
        if (is_content(child) && !is_tick(child)) return true;
    return false;
}

/// Most messages have none, and pass with this one look.
bool has_tick(const Stanza& message) {
    if (!message.xml().child_in(markers_space) && !message.xml().child_in(receipts_space)) return false;
    for (const auto child : message.xml().children())
        if (is_tick(child)) return true;
    return false;
}

bool remove_ours(Stanza& stanza) {
    bool was_there = false;
    while (const auto ours = stanza.xml().child_in(ticks_space)) {
        stanza.remove(ours);
        was_there = true;
    }
    return was_there;
}

}   // namespace

// --- from clients

/// All that is in our namespace and not for the user's own account is forged.
Verdict Ticks::from_client(Session& session, Stanza& stanza) {
    if (!stanza.is_iq()) {
        if (!remove_ours(stanza) || !stanza.is_message() || has_content(stanza.xml())) return Verdict::pass;
        return Verdict::handled;
    }
    if (stanza.payload().space() != ticks_space || stanza.to().empty() || stanza.to() == session.bare_jid())
        return Verdict::pass;
    if (stanza.is_request()) {
        auto no = stanza.error({Condition::service_unavailable, "ticks are between a user and the own account"});
        session.send(no);
    }
    return Verdict::handled;
}

Verdict Ticks::sent(Session& session, Stanza& message) {
    if (!message.is_message() || !is_for_a_person(message)) return Verdict::pass;
    if (has_tick(message)) {
        note_read(session, message);
        if (withholds(session.account(), message.to(), message)) return Verdict::handled;
    }
    if (is_listening(session) || has_asked(session.account())) watch(session, message);
    return Verdict::pass;
}

/// From now on the ledger believes what the addressee's server says of it.
void Ticks::watch(Session& session, Stanza& message) {
    const auto& to = message.to();
    auto& account = session.account();
    if (to.local().empty() || !host().is_local(to.domain()) || to.bare_text() == account.jid().text()) return;
    if (message.id().empty() || message.id().size() > max_id_bytes) return;
    if (!says_something(message) || wants_no_trace(message)) return;
    // A client that was cut off sends again what was not counted: that is no new message.
    const auto known = ledger_.find(account, to.bare_text(), message.id());
    if (!known || known->accepted != Time{})
        ledger_.put(
            account,
            {.with = std::string{to.bare_text()}, .id = std::string{message.id()}, .stable_id = {}, .sent = now()},
            static_cast<std::size_t>(*max_messages_));
    message.append(watched_mark);
}

/// Who hides that something was read does not tell by markers either, nor gets to see those of others; the own devices
/// know it from their copies. The same for receipts. True if nothing is left.
bool Ticks::withholds(const Account& account, const Jid& peer, Stanza& message) const {
    const auto wish = ledger_.show(account).value_or(Show::read);
    if (wish == Show::read || peer.empty() || peer.bare_text() == account.jid().text()) return false;
    bool is_changed = false;
    const auto take_out = [&](std::string_view name, std::string_view space) {
        while (const auto tick = message.child(name, space)) {
            message.remove(tick);
            is_changed = true;
        }
    };
    for (const auto* name : {"displayed", "acknowledged"}) take_out(name, markers_space);
    if (wish < Show::delivered) {
        take_out("received", markers_space);
        take_out("received", receipts_space);
    }
    return is_changed && !has_content(message.xml());
}

// --- to accounts

Verdict Ticks::arriving(Account& account, Stanza& message) {
    if (!message.is_message()) return Verdict::pass;
    if (const auto ours = message.xml().child_in(ticks_space)) {
        if (ours.name() == "tick") take_reports(account, message);
        if (ours.name() != "watched") return Verdict::handled;   // a push that came back: asking tells it all
        if (!message.is_error()) watched_.add(account, message.from(), message.id(), now());
        remove_ours(message);
    }
    if (message.is_error() && message.id() == report_id) return Verdict::handled;
    if (lives_.is_on() && account.exists()) begin(account, message);
    return Verdict::pass;
}

/// Behind those who may refuse a message or copy it, and before it is kept.
Verdict Ticks::settling(Account& account, Stanza& message) {
    if (!message.is_message()) return Verdict::pass;
    if (message.is_error()) take_error(account, message);
    if (!is_for_a_person(message) || !has_tick(message)) return Verdict::pass;
    if (const auto displayed = message.child("displayed", markers_space))
        take_read(account, message.from(), displayed.attribute("id"));
    return withholds(account, message.from(), message) ? Verdict::handled : Verdict::pass;
}

// --- the ledger

void Ticks::take_reports(Account& account, const Stanza& message) {
    if (message.is_error() || !ledger_.asked(account)) return;
    std::vector<Record> changed;
    for (const auto tick : message.xml().children()) {
        const auto report = tick.is("tick", ticks_space) ? read_report(tick) : std::nullopt;
        if (!report || level_of(report->what) > show(account)) continue;
        auto known = std::ranges::find(changed, report->id, &Record::id);
        if (known != changed.end()) {
            (void)enter(*known, *report, message.from());
            continue;
        }
        auto record = ledger_.find(account, message.from().bare_text(), report->id);
        if (record && enter(*record, *report, message.from())) changed.push_back(std::move(*record));
    }
    for (const auto& record : changed) ledger_.put(account, record, static_cast<std::size_t>(*max_messages_));
    push(account, std::move(changed));
}

/// It came back: whoever was to get it, or that one's server, did not want it.
void Ticks::take_error(Account& account, const Stanza& error) {
    if (error.id().empty() || !ledger_.asked(account)) return;
    auto record = ledger_.find(account, error.from().bare_text(), error.id());
    if (!record || record->accepted != Time{}) return;
    if (!enter(*record, {.what = Report::What::refused, .id = record->id, .stable_id = {}, .at = now()}, error.from()))
        return;
    ledger_.put(account, *record, static_cast<std::size_t>(*max_messages_));
    push(account, {std::move(*record)});
}

/// A marker counts from the one who got the message, for all that this one got before, too (XEP-0333).
void Ticks::take_read(Account& account, const Jid& from, std::string_view id) {
    if (show(account) < Show::read || !ledger_.asked(account)) return;
    const auto named = ledger_.find(account, from.bare_text(), id);
    if (!named) return;
    const auto front = key_of(from.bare_text(), {});
    auto read = ledger_.select(account, [&](std::string_view key) { return key.starts_with(front); });
    std::erase_if(read, [&](Record& r) {
        if (r.sent > named->sent || r.failure != Failure::none) return true;
        return r.id == id ? !enter_read(r, from, now()) : r.is_read() || !enter_read(r, from, now());
    });
    for (const auto& record : read) ledger_.put(account, record, static_cast<std::size_t>(*max_messages_));
    push(account, std::move(read));
}

/// Once it is kept: what a client was told does not become untrue by a crash.
void Ticks::push(const Account& account, std::vector<Record> changed) {
    if (!changed.empty()) host().spawn(push_when_kept(account.jid(), std::move(changed)));
}

Task<void> Ticks::push_when_kept(Jid owner, std::vector<Record> changed) {
    auto keeping = host().kept();
    if (const auto kept = co_await std::move(keeping); !kept) co_return;   // the store has said why
    auto* account = host().find_account(owner);
    if (account == nullptr) co_return;
    std::vector<Jid> devices;   // by name: sending can end a session
    for (auto* session : account->sessions())
        if (is_listening(*session)) devices.push_back(session->jid());
    if (devices.empty()) co_return;
    auto since = now();   // by the recipient's clock, which may be behind ours
    for (const auto& record : changed) since = std::min(since, record.changed());
    const auto payload = write(Page{std::move(changed), {}}, show(*account));
    for (const auto& device : devices) {
        account = host().find_account(owner);
        if (auto* session = account != nullptr ? account->find(device.resource()) : nullptr)
            push(*session, payload, since);
    }
}

/// What has no connection will be told that it missed something, instead of finding all of it in its queue.
void Ticks::push(Session& session, const std::string& payload, Time since) const {
    if (!session.link().is_connected) {
        auto& missed = listeners_(session).missed_ms;
        missed = missed == 0 ? count(since) : std::min(missed, count(since));
        return;
    }
    auto message = Stanza::message(session.bare_jid(), session.jid(), "headline");
    message.set_inner(payload);
    session.send(message);
}

}   // namespace tambo::ticks
