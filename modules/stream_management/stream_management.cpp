// XEP-0198 (1.6.3): both sides know what arrived, and neither a broken connection nor a restart of the server ends a
// session. What "handled" means is the kernel's promise (Session::accepted): committed, or acknowledged by who got it.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <tambo/tambo.hpp>

#include "../shared/message.hpp"
#include "stream.hpp"

namespace {

using namespace tambo;
using namespace tambo::sm;
using shared::delay_space;

constexpr std::string_view waiting_timer = "sm-waiting";   // a session without connection gives up
constexpr std::string_view ack_timer = "sm-ack";           // a client owes us an <a/>

/// How much had come from a client when somebody looked, and when it was less than that.
struct Heard {
    static constexpr int version = 1;
    std::uint64_t bytes = 0;
    std::uint32_t at_s = 0;
};

class StreamManagement final : public Module {
public:
    void wire(Wiring& w) override {
        w.negotiate<&StreamManagement::advertise, &StreamManagement::step>(Phase::before_bind, sm_space, 20, this);
        w.element<&StreamManagement::element>(sm_space, this);
        w.on<&StreamManagement::sent>(Event::sent, this);
        w.on<&StreamManagement::accepted>(Event::accepted, this);
        w.on<&StreamManagement::detached>(Event::detached, this);
        w.on<&StreamManagement::restored>(Event::restored, this);
        w.on<&StreamManagement::resumed>(Event::resumed, this);
        w.on<&StreamManagement::unbound>(Event::unbound, this);
        w.timer<&StreamManagement::give_up>(waiting_timer, this);
        w.timer<&StreamManagement::missing_ack>(ack_timer, this);
        if (probe_after_->count() > 0)
            w.every<&StreamManagement::probe_silent_links>(std::max(*probe_after_ / 4, Duration{1000}), this);
        w.feature(sm_space);
    }

    /// Version 1 counted ticks; nobody needs them any more.
    bool upgrade(std::uint32_t, std::string_view) override { return true; }

private:
    // --- before binding: resumption (§5)

    void advertise(const StreamInfo&, Writer& features) { features.element("sm", sm_space).end(); }

    Task<void> step(Handshake& handshake, Stanza wish) {
        if (wish.name() != "resume") {   // §3: first bind, then enable
            handshake.send(failed(Condition::unexpected_request));
            co_return;
        }
        if (resume_timeout_->count() <= 0) {
            handshake.send(failed(Condition::feature_not_implemented));
            co_return;
        }
        const std::string id{wish.xml().attribute("previd")};
        const auto h = number(wish.xml().attribute("h"));
        if (!h) {
            handshake.send(failed(Condition::bad_request));
            co_return;
        }
        auto loading = handshake.account();
        const auto* loaded = co_await std::move(loading);
        if (loaded == nullptr) {
            handshake.send(failed(Condition::internal_server_error));
            co_return;
        }
        const auto owner = loaded->jid();
        auto waiting = wait_until_settled(owner, id);
        co_await std::move(waiting);
        if (auto* account = host().find_account(owner))
            resume(handshake, *account, id, *h);
        else
            handshake.send(failed(Condition::internal_server_error));
    }

    /// The client goes on from the h that it is told: what is behind that it sends again. So for a moment, what it sent
    /// has to find its way to the disk.
    Task<void> wait_until_settled(Jid owner, std::string id) {
        for (unsigned look = 0; look < most_looks; ++look) {
            auto* account = host().find_account(owner);
            const auto* session = account != nullptr ? find(*account, id) : nullptr;
            if (session == nullptr || is_settled(*session)) co_return;
            auto committing = host().journal().read(*account, behind_all, 1);   // done when all is committed
            (void)co_await std::move(committing);
            if (look < quick_looks) continue;
            auto pausing = host().after(breath);   // other shards have their own commits
            co_await std::move(pausing);
        }
    }

    static bool is_settled(const Session& session) { return session.accepted() >= session.received(); }

    void resume(Handshake& handshake, Account& account, std::string_view id, std::uint32_t h) {
        Session* session = find(account, id);
        if (session == nullptr) return handshake.send(failed(Condition::item_not_found, ended(account, id)));
        const auto up_to = unwrapped(h, session->acknowledged());
        // A client that remembers something else than happened can not go on where it left. <failed/> lets it bind
        // anew, where a stream error (§7) would make it come back with the same <resume/> for ever.
        if (!up_to || (*up_to > session->last_number() && !session->was_restored()))
            return handshake.send(failed(Condition::item_not_found, heard(*session)));
        if (!is_settled(*session)) return handshake.send(failed(Condition::resource_constraint, heard(*session)));
        session->acknowledge(*up_to);
        handshake.resume(
            *session,
            Writer{}.element("resumed", sm_space).attribute("previd", id).attribute("h", tell(*session)).take());
    }

    Session* find(Account& account, std::string_view id) const {
        Session* found = nullptr;
        for (auto* session : account.sessions()) {
            if (!streams_.has(*session)) continue;
            const auto& stream = streams_(*session);
            if (stream.is_resumable() && same_secret(stream.name(), id)) found = session;
        }
        return found;
    }

    void resumed(Session& session) {
        if (!is_enabled(session)) return;
        session.disarm(waiting_timer);
        session.disarm(ack_timer);
        streams_(session).is_asking = false;
        session.resend_kept();
        if (session.acknowledged() < session.last_number()) ask(session);
    }

    // --- what clients say on a bound stream (§3, §4)

    void element(Session& session, const Stanza& said) {
        const auto name = said.name();
        if (name == "enable") return enable(session, said);
        if (name == "resume") return session.send_element(failed(Condition::unexpected_request));
        if (name != "r" && name != "a") return session.close(StreamCondition::unsupported_stanza_type);
        if (!is_enabled(session)) return session.send_element(failed(Condition::unexpected_request));
        if (name == "r") return asked(session);
        answered(session, said);
    }

    void enable(Session& session, const Stanza& wish) {
        if (is_enabled(session)) return session.send_element(failed(Condition::unexpected_request));
        auto& stream = streams_(session);
        stream = Stream{};
        stream.is_enabled = true;
        stream.in_before = session.received();
        random_token(id_characters).copy(stream.id, id_characters);
        if (is_true(wish.xml().attribute("resume"))) stream.max_wait_s = wait_for(number(wish.xml().attribute("max")));
        session.keep_sent(static_cast<std::size_t>(std::max<std::int64_t>(max_kept_, 1)));
        if (stream.max_wait_s > 0) session.make_durable();
        if (!session.is_durable()) confirm(session);
    }

    /// A session that is to outlive the process is on disk before its client hears of it: what the client sends from
    /// then on is recognised if it has to be sent again.
    void confirm(Session& session) {
        auto& stream = streams_(session);
        stream.is_told = true;
        Writer w;
        w.element("enabled", sm_space).attribute("id", stream.name());
        if (stream.max_wait_s > 0) w.attribute("resume", "true").attribute("max", stream.max_wait_s);
        session.send_element(w.take());
    }

    /// The client may want less than we would give, not more.
    std::uint32_t wait_for(std::optional<std::uint32_t> wanted) const {
        using std::chrono::seconds;
        const auto most = std::chrono::duration_cast<seconds>(*resume_timeout_).count();
        const auto ours = static_cast<std::uint32_t>(std::clamp<std::int64_t>(most, 0, 30 * 24 * 3600));
        return wanted && *wanted > 0 ? std::min(*wanted, ours) : ours;
    }

    // --- what we tell the client: how many of its stanzas are taken care of, refused ones included

    /// §4: the answer "MUST NOT be withheld", so it is what holds now. If some are not yet committed, the client need
    /// not ask again: it is told when they are.
    void asked(Session& session) {
        streams_(session).asked = session.received();
        session.send_element(answer(tell(session)));
    }

    void accepted(Session& session) {
        if (!is_enabled(session)) return;
        const auto& stream = streams_(session);
        if (!stream.is_told) return confirm(session);
        if (stream.told < stream.asked && stream.told < session.accepted()) session.send_element(answer(tell(session)));
    }

    /// heard(), said to the client.
    std::uint32_t tell(Session& session) {
        streams_(session).told = session.accepted();
        return heard(session);
    }

    /// What was sent before it was enabled does not count, even if it is still on its way to the disk.
    std::uint32_t heard(Session& session) const {
        const auto before = streams_(session).in_before;
        return static_cast<std::uint32_t>(std::max(session.accepted(), before) - before);
    }

    // --- what the client tells us

    void answered(Session& session, const Stanza& said) {
        const auto h = number(said.xml().attribute("h"));
        if (!h) return;   // says nothing, so nothing is acknowledged
        const auto up_to = unwrapped(*h, session.acknowledged());
        if (!up_to) return;   // behind what it said before
        if (*up_to > session.last_number()) return claims_too_much(session, *h);
        session.acknowledge(*up_to);
        streams_(session).is_asking = false;
        session.disarm(ack_timer);
        if (session.acknowledged() < session.last_number()) ask(session);
    }

    void claims_too_much(Session& session, std::uint32_t h) {   // §7
        const auto count = static_cast<std::uint32_t>(session.last_number());
        session.close(StreamCondition::undefined_condition,
                      fmt::format("You acknowledged {} stanzas, but only {} were sent to you.", h, count),
                      Writer{}
                          .element("handled-count-too-high", sm_space)
                          .attribute("h", h)
                          .attribute("send-count", count)
                          .take());
    }

    // --- asking

    void sent(Session& session, Stanza&) {
        if (!streams_.has(session)) return;
        const auto& stream = streams_(session);
        if (!stream.is_enabled) return;
        const auto kept = session.kept_bytes();
        if (kept > least_limit_ && kept > limit(session)) return overflow(session);
        if (!stream.is_asking) ask_soon(session);
    }

    /// Who is away for long finds things better in the offline queue, which all devices of the account share.
    std::uint64_t limit(const Session& session) const {
        return session.link().is_connected ? max_kept_bytes_->bytes : max_waiting_bytes_->bytes;
    }

    /// Behind all that goes out now: then the answer speaks for all of it.
    void ask_soon(const Session& session) {
        if (!to_ask_.empty() && to_ask_.back() == session.jid()) return;
        if (to_ask_.empty()) host().defer([this] { ask_all(); });
        to_ask_.push_back(session.jid());
    }

    void ask_all() {
        for (const auto& device : std::exchange(to_ask_, {})) {
            auto* account = host().find_account(device.bare());
            auto* session = account != nullptr ? account->find(device.resource()) : nullptr;
            if (session != nullptr && is_enabled(*session) && session->acknowledged() < session->last_number())
                ask(*session);
        }
    }

    /// One question at a time: the next <r/> follows the answer to the last. So a lone message is confirmed at once,
    /// and a flood costs one <r/> for each round trip.
    void ask(Session& session) {
        auto& stream = streams_(session);
        if (stream.is_asking || !session.link().is_connected) return;
        stream.is_asking = true;
        session.arm(ack_timer, *ack_timeout_);
        session.send_element(request);
    }

    void missing_ack(Session& session) {
        if (!is_enabled(session) || !streams_(session).is_asking || !session.link().is_connected) return;
        log().debug("{}: no answer to <r/> in time, the connection counts as broken", session.jid().text());
        session.drop_link();
    }

    // --- a link on which nothing comes: is there still somebody?

    void probe_silent_links() {
        host().each_session([this](Session& session) {
            if (session.link().is_connected && is_silent(session)) probe(session);
        });
    }

    /// Bytes of any kind count: whoever confirms what it gets, or sends white space, is there.
    bool is_silent(Session& session) const {
        auto& heard = heard_(session);
        const auto bytes = session.traffic().bytes_in;
        if (bytes != heard.bytes || heard.at_s == 0) heard = {bytes, std::max<std::uint32_t>(uptime_s(), 1)};
        if (std::chrono::seconds{uptime_s() - std::min(uptime_s(), heard.at_s)} < *probe_after_) return false;
        heard.at_s = uptime_s();
        return true;
    }

    /// Without stream management only TCP can tell, and it needs something to carry: RFC 6120 §4.6.1. Other wires than
    /// XML have nothing between stanzas; there TCP asks by itself ([limits] keepalive).
    void probe(Session& session) {
        if (is_enabled(session))
            ask(session);
        else if (session.link().codec == "xml")
            session.send_element(" ");
    }

    /// At once: a single turn can send megabytes.
    void overflow(Session& session) {
        log().info("{}: more than {} bytes unacknowledged, the session ends", session.jid().text(), limit(session));
        if (session.link().is_connected)
            session.close(StreamCondition::resource_constraint, "too much is unacknowledged");
        else
            session.end();
    }

    // --- without a connection

    Verdict detached(Session& session) {
        if (!is_enabled(session) || !streams_(session).is_resumable()) return Verdict::pass;
        session.disarm(ack_timer);
        wait(session);
        limit_waiting(session);
        return Verdict::handled;
    }

    /// The client's time begins anew: it could not come back while the server was away.
    Verdict restored(Session& session) {
        if (!is_enabled(session) || !streams_(session).is_resumable()) return Verdict::pass;
        streams_(session).is_told = true;
        wait(session);
        return Verdict::handled;
    }

    void wait(Session& session) {
        auto& stream = streams_(session);
        stream.is_asking = false;
        stream.detached_at_ms = now().time_since_epoch().count();
        session.arm(waiting_timer, std::chrono::seconds{stream.max_wait_s});
    }

    /// A client that never resumes but always comes back would fill the memory with sessions: the oldest ends.
    void limit_waiting(Session& newest) {
        std::int64_t waiting = 0;
        Session* oldest = nullptr;
        for (auto* session : newest.account().sessions()) {
            if (session == &newest || session->link().is_connected || !is_enabled(*session)) continue;
            ++waiting;
            if (oldest == nullptr || streams_(*session).detached_at_ms < streams_(*oldest).detached_at_ms)
                oldest = session;
        }
        if (waiting >= max_waiting_ && oldest != nullptr) oldest->arm(waiting_timer, Duration{0});
    }

    void give_up(Session& session) {
        if (!session.link().is_connected) session.end();
    }

    // --- the end: what was not acknowledged goes elsewhere (§4). What is in the journal waits there again by itself.

    void unbound(Session& session) {
        if (!is_enabled(session)) return;
        remember_end(session);
        for (auto& stanza : session.take_kept()) give_back(session, std::move(stanza));
    }

    /// As RFC 6121 §8.5.3.2 treats what comes for a resource that is gone.
    void give_back(Session& session, Stanza stanza) {
        if (stanza.from().empty() || stanza.is_error()) return;
        if (stanza.is_request() || (stanza.is_message() && stanza.type() == "groupchat")) {
            // Our own pushes need no answer.
            if (stanza.from().is_full()) host().route(stanza.error(Error{Condition::service_unavailable}));
            return;
        }
        if (stanza.is_message() && stanza.type() != "headline") pass_on(session, std::move(stanza));
    }

    /// What no journal keeps (XEP-0334: no-store) is for those who are there. What went to the bare JID they have got.
    void pass_on(Session& session, Stanza message) {
        if (!message.to().is_full() && is_another_listening(session)) return;
        message.set_to(session.bare_jid());
        add_delay(message, session);
        host().route(std::move(message));
    }

    static bool is_another_listening(Session& session) {
        return std::ranges::any_of(session.account().sessions(), [&](const Session* other) {
            return other != &session && other->is_available() && other->priority() >= 0;
        });
    }

    /// XEP-0198 §4: the time at which it should have arrived, about. What was late already keeps its first stamp.
    void add_delay(Stanza& message, Session& session) {
        const auto domain = session.bare_jid().domain();
        for (const auto child : message.xml().children())
            if (child.is("delay", delay_space) && child.attribute("from") == domain) return;
        const auto time =
            session.link().is_connected ? now() : Time{std::chrono::milliseconds{streams_(session).detached_at_ms}};
        message.append(Writer{}
                           .element("delay", delay_space)
                           .attribute("from", domain)
                           .attribute("stamp", format_time(time))
                           .take());
    }

    void remember_end(Session& session) {
        const auto& stream = streams_(session);
        auto& ended = ended_(session.account());
        ended.last[1] = ended.last[0];
        std::memcpy(ended.last[0].id, stream.id, sizeof stream.id);
        ended.last[0].in = heard(session);
    }

    std::optional<std::uint32_t> ended(Account& account, std::string_view id) const {
        for (const auto& one : ended_(account).last)
            if (same_secret({one.id, sizeof one.id}, id)) return one.in;
        return std::nullopt;
    }

    std::uint32_t uptime_s() const { return static_cast<std::uint32_t>(host().uptime().count() / 1000); }
    bool is_enabled(Session& session) const { return streams_.has(session) && streams_(session).is_enabled; }

    static constexpr std::uint64_t behind_all = std::uint64_t{1} << 62;
    static constexpr unsigned quick_looks = 4, most_looks = 200;
    static constexpr Duration breath = std::chrono::milliseconds{25};

    Option<Duration> resume_timeout_{"resume_timeout", std::chrono::minutes{5},
                                     "how long a session waits for its client to come back; 0s: it does not"};
    Option<Duration> ack_timeout_{"ack_timeout", std::chrono::seconds{60},
                                  "a connection on which <r/> is not answered for so long counts as broken"};
    Option<Duration> probe_after_{"probe_after", std::chrono::minutes{10},
                                  "silence after which a client is asked whether it is there, by <r/> or, where it has "
                                  "no stream management, white space; 0s: it is not"};
    Option<std::int64_t> max_kept_{"max_kept", 5000,
                                   "stanzas that may be unacknowledged before the session ends; messages among them "
                                   "then wait for the user's other devices, or the next login"};
    Option<Size> max_kept_bytes_{"max_kept_bytes", Size{8 * 1024 * 1024},
                                 "bytes that may be unacknowledged before the session ends, in the same way"};
    Option<Size> max_waiting_bytes_{"max_waiting_bytes", Size{1024 * 1024},
                                    "the same for a session whose client is away"};
    Option<std::int64_t> max_waiting_{"max_waiting", 8,
                                      "sessions of one account that may wait for their clients at a time"};
    const std::uint64_t least_limit_ = std::min(max_kept_bytes_->bytes, max_waiting_bytes_->bytes);

    Slot<Stream> streams_{"sm-stream"};
    Slot<Ended> ended_{"sm-ended"};
    Slot<Heard> heard_{"sm-heard"};
    std::vector<Jid> to_ask_;   ///< in this turn
};

}   // namespace

TAMBO_MODULE(StreamManagement, "stream_management", "0.2.0", 2)
