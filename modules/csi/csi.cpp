// XEP-0352 (1.0.0): a client that nobody looks at is left alone until something happens that matters.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tambo/tambo.hpp>

#include "../shared/message.hpp"
#include "../shared/records.hpp"

namespace {

using namespace tambo;
using namespace tambo::shared;

constexpr std::string_view csi_space = "urn:xmpp:csi:0";

struct Attention {
    static constexpr int version = 1;
    bool is_inactive = false;
    bool is_flushing = false;   ///< what passes by is from the queue itself
};

bool is_status(const Stanza& presence) { return presence.type().empty() || presence.type() == "unavailable"; }

/// What nobody would take the phone out of the pocket for. Everything else is a reason to send all. So is what the
/// journal keeps until the client has it.
bool may_wait(const Stanza& stanza) {
    if (stanza.sequence() != 0) return false;
    if (stanza.is_presence()) return is_status(stanza);
    if (!stanza.is_message() || stanza.is_error()) return false;
    if (is_chat_state(told(stanza.xml()))) return true;
    return stanza.type() == "headline" && !stanza.has("body", ns::client);
}

constexpr char presence_mark = 'p', state_mark = 's', other_mark = 'm', only_copy_mark = 'o';

/// Of those with the same key, the last one says it all.
std::string key_of(const Stanza& stanza) {
    if (stanza.is_presence()) return presence_mark + std::string{stanza.from().text()};
    const auto message = told(stanza.xml());
    if (!is_chat_state(message)) return std::string{other_mark};
    const auto carbon = carbon_in(stanza.xml());
    if (!carbon) return state_mark + std::string{stanza.from().text()};
    // Two sides of one conversation are two things to know.
    return state_mark + std::string{carbon.name()} + '\n' + std::string{message.attribute("from")} + '\n' +
           std::string{message.attribute("to")};
}

bool replaces_earlier(std::string_view key) { return key.front() == presence_mark || key.front() == state_mark; }

class ClientState final : public Module {
public:
    void wire(Wiring& w) override {
        w.negotiate<&ClientState::advertise, &ClientState::too_early>(Phase::before_bind, csi_space, 30, this);
        w.element<&ClientState::told_by_client>(csi_space, this);
        // Early: most others see a stanza when it really leaves. What must not wait at all is gone already (typing).
        w.on<&ClientState::leaving>(Event::stanza_out, this, priority::early);
        w.on<&ClientState::detached>(Event::detached, this, priority::early);
        w.on<&ClientState::resumed>(Event::resumed, this, priority::late);   // after what was sent before (XEP-0198)
        w.on<&ClientState::unbound>(Event::unbound, this, priority::first);
    }

private:
    // --- §4: what clients say

    void advertise(const StreamInfo&, Writer& features) { features.element("csi", csi_space).end(); }

    /// Before there is a session there is nothing to hold back, and §4.2 knows no answer.
    Task<void> too_early(Handshake&, Stanza) { co_return; }

    void told_by_client(Session& session, const Stanza& said) {
        if (said.name() == "inactive")
            attention_(session).is_inactive = true;
        else if (said.name() == "active")
            wake(session);
        else
            session.close(StreamCondition::unsupported_stanza_type);
    }

    // --- what goes to clients

    Verdict leaving(Session& session, Stanza& stanza) {
        if (!attention_.has(session)) return Verdict::pass;
        const auto& attention = attention_(session);
        if (!attention.is_inactive || attention.is_flushing) return Verdict::pass;
        if (may_wait(stanza) && hold(session, stanza)) return Verdict::handled;
        flush(session);   // §5.1: first what was before
        return Verdict::pass;
    }

    /// False if there is no more room.
    bool hold(Session& session, const Stanza& stanza) {
        auto key = key_of(stanza);
        if (key.front() == other_mark && is_only_copy(session, stanza)) key = only_copy_mark;
        const auto xml = stanza.str();
        Records held{session.slot(slot_held)};
        if (replaces_earlier(key)) held.erase(key);
        if (!std::cmp_less(held.count(), *max_held_) || held.bytes() + xml.size() > max_held_bytes_->bytes)
            return false;
        held.push({now().time_since_epoch().count(), key, xml});
        return true;
    }

    /// What goes to the bare JID and is held here while no other device listens is nowhere else (RFC 6121 §8.5.2.1).
    static bool is_only_copy(Session& session, const Stanza& message) {
        if (message.to().is_full()) return false;
        for (const auto* other : session.account().sessions())
            if (other != &session && other->is_available() && other->priority() >= 0) return false;
        return true;
    }

    void flush(Session& session) {
        auto held = std::exchange(session.slot(slot_held), {});
        if (held.empty()) return;
        attention_(session).is_flushing = true;
        Records{held}.each([&](const Records::Record& record) {
            auto stanza = Stanza::parse(record.value);
            if (stanza && !has_expired(*stanza, record)) session.send(*stanza);
        });
        attention_(session).is_flushing = false;
    }

    /// That somebody began to type is no news for long. That somebody stopped is, as long as the client may believe
    /// otherwise.
    bool has_expired(const Stanza& stanza, const Records::Record& record) const {
        if (record.key.front() != state_mark) return false;
        const auto age = now() - Time{std::chrono::milliseconds{record.time_ms}};
        return age >= *chat_state_ttl_ && told(stanza.xml()).child("composing", states_space);
    }

    void wake(Session& session) {
        if (!attention_.has(session)) return;
        attention_(session).is_inactive = false;
        flush(session);
    }

    // --- coming and going

    /// The rest waits here for the client's return, where a later presence takes the place of an earlier one. Chat
    /// states do not: those that come meanwhile are dropped (typing), so one from before would be the wrong one.
    void detached(Session& session) {
        if (session.find_slot(slot_held) == nullptr) return;
        Records{session.slot(slot_held)}.erase_if([](const auto& record) { return record.key.front() == state_mark; });
    }

    /// §5.2: a resumed stream begins as active.
    void resumed(Session& session) { wake(session); }

    /// Presence, chat states and what was meant for this device alone end with the session, as they would if they came
    /// now (RFC 6121 §8.5.3.2). The rest goes to the devices that are there by now.
    void unbound(Session& session) {
        if (session.find_slot(slot_held) == nullptr) return;
        auto held = std::exchange(session.slot(slot_held), {});
        Records{held}.each([&](const Records::Record& record) {
            if (record.key.front() == only_copy_mark) pass_on(session, record);
        });
    }

    void pass_on(Session& session, const Records::Record& record) {
        auto message = Stanza::parse(record.value);
        if (!message) return;
        message->append(Writer{}
                            .element("delay", delay_space)   // XEP-0203 §3
                            .attribute("from", session.bare_jid().domain())
                            .attribute("stamp", format_time(Time{std::chrono::milliseconds{record.time_ms}}))
                            .take());
        host().route(std::move(*message));
    }

    static constexpr std::string_view slot_held = "csi-held-1";

    Option<std::int64_t> max_held_{"max_held", 500, "stanzas held back for one inactive client before all are sent"};
    Option<Size> max_held_bytes_{"max_held_bytes", Size{256 * 1024},
                                 "bytes held back for one inactive client before all are sent"};
    Option<Duration> chat_state_ttl_{"chat_state_ttl", std::chrono::seconds{30},
                                     "how long it is worth telling that somebody began to type"};
    Slot<Attention> attention_{"csi"};
};

}   // namespace

TAMBO_MODULE(ClientState, "csi", "0.1.0", 1)
