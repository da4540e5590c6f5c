// XEP-0085 (2.1): what somebody is doing is for those who are there to see it, while it lasts.
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <tambo/tambo.hpp>

#include "../shared/message.hpp"
#include "../shared/records.hpp"

namespace {

using namespace tambo;
using namespace tambo::shared;

constexpr std::string_view expiry_timer = "typing-expiry";
constexpr std::size_t max_peers = 8;            // that one session can be typing to
constexpr std::size_t max_thread_bytes = 512;   // a longer one is left out

/// The modules that keep messages ask for content and find none; what they leave to the kernel or cannot know is
/// decided here.
class Typing final : public Module {
public:
    void wire(Wiring& w) override {
        w.on<&Typing::arriving>(Event::deliver, this, priority::first);
        w.on<&Typing::undelivered>(Event::undelivered, this, priority::early);
        w.on<&Typing::leaving>(Event::stanza_out, this, priority::first);
        w.on<&Typing::said>(Event::stanza_in, this, priority::last);   // after those who may refuse it
        w.on<&Typing::detached>(Event::detached, this, priority::early);
        w.on<&Typing::unbound>(Event::unbound, this);
        w.timer<&Typing::expired>(expiry_timer, this);
    }

private:
    // --- who is not there does not see it (§5.8: not stored)

    /// Nobody listens. No error: the sender did nothing wrong, and will soon do something else.
    Verdict undelivered(Account&, Stanza& message) {
        return is_chat_state(message.xml()) ? Verdict::handled : Verdict::pass;
    }

    /// The session is only kept: it would read this when it is long over. Carbons too.
    Verdict leaving(Session& session, Stanza& stanza) {
        if (!stanza.is_message() || session.link().is_connected) return Verdict::pass;
        return is_chat_state(told(stanza.xml())) ? Verdict::handled : Verdict::pass;
    }

    /// With a stamp (XEP-0203), it was held up on its way, such as by a session that ended before it was read.
    Verdict arriving(Account&, Stanza& stanza) {
        if (!stanza.is_message() || !stanza.has("delay", delay_space)) return Verdict::pass;
        return is_chat_state(stanza.xml()) ? Verdict::handled : Verdict::pass;
    }

    // --- who is typing, and to whom: the message that would end it, for each peer

    void said(Session& session, Stanza& message) {
        if (!message.is_message() || !is_one_to_one(message) || message.to().empty()) return;
        const auto state = message.xml().child_in(states_space);
        if (!state && (!is_typing(session) || !has_content(message.xml()))) return;
        Records peers{session.slot(slot_peers)};
        peers.erase(message.to().bare_text());
        if (state.name() == "composing" && ttl_->count() > 0) remember(peers, session, message);
    }

    static bool is_one_to_one(const Stanza& message) {
        return message.type().empty() || message.type() == "chat" || message.type() == "normal";
    }

    void remember(Records& peers, Session& session, const Stanza& message) {
        if (peers.count() >= max_peers) end_first(peers);
        auto last_word = Stanza::message(session.jid(), message.to(), message.type());
        const auto thread = message.xml().child("thread").xml();
        if (thread.size() <= max_thread_bytes) last_word.append(thread);   // §5.7
        peers.push({now().time_since_epoch().count(), message.to().bare_text(), last_word.str()});
    }

    void end_first(Records& peers) {
        bool is_first = true;
        peers.erase_if([&](const Records::Record& record) {
            if (!std::exchange(is_first, false)) return false;
            tell(record, "paused");
            return true;
        });
    }

    // --- "is typing" ends, also where the client can not say so any more

    /// §5.8 wants clients, not servers, to say this. But a client without connection can not, and one that comes back
    /// would not tell either that it stopped; so it is said for it, once, to those who were told the opposite.
    void detached(Session& session) {
        if (is_typing(session)) session.arm(expiry_timer, *ttl_);
    }

    /// Who is back meanwhile can say it, and may still be typing.
    void expired(Session& session) {
        if (!session.link().is_connected) tell_all(session, "paused");
    }

    void unbound(Session& session) { tell_all(session, "gone"); }

    static bool is_typing(const Session& session) {
        const auto* peers = session.find_slot(slot_peers);
        return peers != nullptr && !peers->empty();
    }

    void tell_all(Session& session, std::string_view state) {
        if (!is_typing(session)) return;
        auto peers = std::exchange(session.slot(slot_peers), {});
        Records{peers}.each([&](const Records::Record& peer) { tell(peer, state); });
    }

    void tell(const Records::Record& peer, std::string_view state) {
        auto message = Stanza::parse(peer.value);
        if (!message) return;
        message->append(Writer{}.element(state, states_space).take());
        host().route(std::move(*message));
    }

    static constexpr std::string_view slot_peers = "typing-peers-1";

    Option<Duration> ttl_{"ttl", std::chrono::seconds{30},
                          "how long a composing state may outlast the connection of who typed; 0s: for ever"};
};

}   // namespace

TAMBO_MODULE(Typing, "typing", "0.1.0", 1)
