// XEP-0198 (1.6.3): both sides know what arrived, and a broken connection does not end a session.
#include <algorithm>
#include <array>
#include <charconv>
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

#include "../shared/priority.hpp"

namespace {

using namespace tambo;
using shared::wants_messages;

constexpr std::string_view sm_space = "urn:xmpp:sm:3";
constexpr std::string_view delay_space = "urn:xmpp:delay";
constexpr std::size_t id_characters = 24;   // of 36 kinds: 124 bits

constexpr std::string_view waiting_timer = "sm-waiting";   // a session without connection gives up
constexpr std::string_view ack_timer = "sm-ack";           // a client owes us an <a/>

/// What a session with stream management is about. "h" counts modulo 2^32 (§4).
struct Stream {
    static constexpr int version = 2;
    std::uint32_t in_before = 0;       ///< Session::received() when it was enabled: h counts from there
    std::uint32_t acked = 0;           ///< the last h that the client told
    std::uint32_t max_wait_s = 0;      ///< how long it may stay without connection; 0: it can not be resumed
    std::uint32_t detached_at_s = 0;   ///< uptime when the connection was lost
    std::uint64_t bytes = 0;           ///< unacknowledged
    bool is_enabled = false;
    bool is_asking = false;   ///< an <r/> is on its way
    char id[id_characters] = {};

    std::string_view name() const noexcept { return {id, sizeof id}; }
};

/// How much had come from a client when somebody looked, and when it was less than that.
struct Heard {
    static constexpr int version = 1;
    std::uint64_t bytes = 0;
    std::uint32_t at_s = 0;
};

/// When a session became one that messages to the bare JID go to, on the shard's tick.
struct Listening {
    static constexpr int version = 1;
    std::uint64_t since = 0;
};

/// The last streams of this account that ended: a client that comes too late still learns what arrived (§5).
struct Ended {
    static constexpr int version = 1;
    struct One {
        char id[id_characters] = {};
        std::uint32_t in = 0;
    };
    One last[2];
};

/// Something sent and not yet acknowledged. In the session's own bytes, one behind the other, in step with
/// Session::kept().
struct Sent {
    std::uint64_t tick;
    std::int64_t time_ms;
    std::uint64_t bytes;
};

/// The unacknowledged stanzas of one session, oldest first, as plain data that survives a swap.
class SentLog {
public:
    explicit SentLog(Session& session) : bytes_(session.slot("sm-sent-1")) {}

    std::size_t size() const noexcept { return bytes_.size() / sizeof(Sent); }
    void push(const Sent& sent) { bytes_.append(reinterpret_cast<const char*>(&sent), sizeof sent); }
    Sent operator[](std::size_t index) const noexcept {
        Sent sent;
        std::memcpy(&sent, bytes_.data() + index * sizeof sent, sizeof sent);
        return sent;
    }
    /// Forgets the oldest; says how many bytes of stanzas that were.
    std::uint64_t pop(std::size_t count) {
        count = std::min(count, size());
        std::uint64_t freed = 0;
        for (std::size_t i = 0; i < count; ++i) freed += (*this)[i].bytes;
        bytes_.erase(0, count * sizeof(Sent));
        return freed;
    }

private:
    std::string& bytes_;
};

/// xs:unsignedInt as h and max are; nothing else.
std::optional<std::uint32_t> number(std::string_view digits) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

bool is_true(std::string_view boolean) { return boolean == "true" || boolean == "1"; }

/// Takes the same time wherever the two differ: the id is what lets a client into a session.
bool same_secret(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    unsigned difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
    return difference == 0;
}

std::string request() { return Writer{}.element("r", sm_space).take(); }
std::string answer(std::uint32_t h) { return Writer{}.element("a", sm_space).attribute("h", h).take(); }

std::string failed(Condition condition, std::optional<std::uint32_t> h = {}) {
    Writer w;
    w.element("failed", sm_space);
    if (h) w.attribute("h", *h);
    return w.element(to_string(condition), ns::stanza_errors).take();
}

class StreamManagement final : public Module {
public:
    void wire(Wiring& w) override {
        w.negotiate<&StreamManagement::advertise, &StreamManagement::step>(Phase::before_bind, sm_space, 20, this);
        w.element<&StreamManagement::element>(sm_space, this);
        w.on<&StreamManagement::count>(Event::stanza_in, this, priority::first);
        w.on<&StreamManagement::sent>(Event::sent, this);
        w.on<&StreamManagement::online>(Event::online, this, priority::first);
        w.on<&StreamManagement::detached>(Event::detached, this);
        w.on<&StreamManagement::resumed>(Event::resumed, this);
        w.on<&StreamManagement::unbound>(Event::unbound, this);
        w.timer<&StreamManagement::give_up>(waiting_timer, this);
        w.timer<&StreamManagement::missing_ack>(ack_timer, this);
        if (probe_after_->count() > 0)
            w.every<&StreamManagement::probe_silent_links>(std::max(*probe_after_ / 4, Duration{1000}), this);
        w.feature(sm_space);
    }

    Bytes save() const override { return std::to_string(tick_); }
    bool load(std::string_view state) override {
        return std::from_chars(state.data(), state.data() + state.size(), tick_).ec == std::errc{};
    }

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
        Account* account = co_await handshake.account();
        if (account == nullptr)
            handshake.send(failed(Condition::internal_server_error));
        else
            resume(handshake, *account, id, *h);
    }

    void resume(Handshake& handshake, Account& account, std::string_view id, std::uint32_t h) {
        Session* session = find(account, id);
        if (session == nullptr) return handshake.send(failed(Condition::item_not_found, ended(account, id)));
        const auto& stream = streams_(*session);
        const std::uint32_t news = h - stream.acked;
        // A client that remembers something else than happened can not go on where it left. <failed/> lets it bind
        // anew, where a stream error (§7) would make it come back with the same <resume/> for ever.
        if (news > session->kept()) return handshake.send(failed(Condition::item_not_found, heard(*session)));
        acknowledge(*session, h);
        handshake.resume(
            *session,
            Writer{}.element("resumed", sm_space).attribute("previd", id).attribute("h", heard(*session)).take());
    }

    Session* find(Account& account, std::string_view id) const {
        Session* found = nullptr;
        for (auto* session : account.sessions()) {
            if (!streams_.has(*session)) continue;
            const auto& stream = streams_(*session);
            if (stream.is_enabled && stream.max_wait_s > 0 && same_secret(stream.name(), id)) found = session;
        }
        return found;
    }

    void resumed(Session& session) {
        if (!is_enabled(session)) return;
        session.disarm(waiting_timer);
        session.disarm(ack_timer);
        streams_(session).is_asking = false;
        session.resend_kept();
        if (session.kept() > 0) ask(session);
    }

    // --- what clients say on a bound stream (§3, §4)

    void element(Session& session, const Stanza& said) {
        const auto name = said.name();
        if (name == "enable") return enable(session, said);
        if (name == "resume") return session.send_element(failed(Condition::unexpected_request));
        if (name != "r" && name != "a") return session.close(StreamCondition::unsupported_stanza_type);
        if (!is_enabled(session)) return session.send_element(failed(Condition::unexpected_request));
        if (name == "r") return session.send_element(answer(heard(session)));
        answered(session, said);
    }

    void enable(Session& session, const Stanza& wish) {
        if (is_enabled(session)) return session.send_element(failed(Condition::unexpected_request));
        auto& stream = streams_(session);
        stream = Stream{};
        stream.is_enabled = true;
        stream.in_before = static_cast<std::uint32_t>(session.received());
        random_token(id_characters).copy(stream.id, id_characters);
        if (is_true(wish.xml().attribute("resume"))) stream.max_wait_s = wait_for(number(wish.xml().attribute("max")));
        session.keep_sent(static_cast<std::size_t>(std::max<std::int64_t>(max_kept_, 1)));

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

    /// The h that we tell: what the client sent since it was enabled, refused stanzas included.
    std::uint32_t heard(Session& session) const {
        return static_cast<std::uint32_t>(session.received()) - streams_(session).in_before;
    }

    void answered(Session& session, const Stanza& said) {
        const auto h = number(said.xml().attribute("h"));
        if (!h) return;   // says nothing, so nothing is acknowledged
        auto& stream = streams_(session);
        const std::uint32_t news = *h - stream.acked;
        if (static_cast<std::int32_t>(news) < 0) return;   // behind what it said before
        if (news > session.kept()) return claims_too_much(session, *h);
        acknowledge(session, *h);
        stream.is_asking = false;
        session.disarm(ack_timer);
        if (session.kept() > 0) ask(session);
    }

    void acknowledge(Session& session, std::uint32_t h) {
        auto& stream = streams_(session);
        const std::uint32_t news = h - std::exchange(stream.acked, h);
        SentLog log{session};
        // What was sent while no version of this module was loaded is kept by the kernel, but has no line in the log.
        const auto unlogged = session.kept() > log.size() ? session.kept() - log.size() : 0;
        if (news > unlogged) stream.bytes -= std::min(stream.bytes, log.pop(news - unlogged));
        session.acknowledge(news);
    }

    void claims_too_much(Session& session, std::uint32_t h) {   // §7
        const auto count = streams_(session).acked + static_cast<std::uint32_t>(session.kept());
        session.close(StreamCondition::undefined_condition,
                      fmt::format("You acknowledged {} stanzas, but only {} were sent to you.", h, count),
                      Writer{}
                          .element("handled-count-too-high", sm_space)
                          .attribute("h", h)
                          .attribute("send-count", count)
                          .take());
    }

    // --- counting and asking

    void count(Session& session, Stanza& stanza) { notice_priority(session, stanza); }

    void sent(Session& session, Stanza& stanza) {
        if (!is_enabled(session)) return;
        auto& stream = streams_(session);
        const Sent line{next_tick(), now().time_since_epoch().count(), stanza.inner().size() + stanza_overhead_bytes};
        SentLog{session}.push(line);
        stream.bytes += line.bytes;
        if (stream.bytes > limit(session)) return overflow(session);
        ask(session);
    }

    /// Who is away for long finds things better in the offline queue, which all devices of the account share.
    std::uint64_t limit(const Session& session) const {
        return session.link().is_connected ? max_kept_bytes_->bytes : max_waiting_bytes_->bytes;
    }

    /// One question at a time: the next <r/> follows the answer to the last. So a lone message is confirmed at once,
    /// and a flood costs one <r/> for each round trip.
    void ask(Session& session) {
        auto& stream = streams_(session);
        if (stream.is_asking || !session.link().is_connected) return;
        stream.is_asking = true;
        session.arm(ack_timer, *ack_timeout_);
        session.send_element(request());
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
        if (!is_enabled(session)) return Verdict::pass;
        auto& stream = streams_(session);
        if (stream.max_wait_s == 0) return Verdict::pass;
        stream.is_asking = false;
        stream.detached_at_s = uptime_s();
        session.disarm(ack_timer);
        session.arm(waiting_timer, std::chrono::seconds{stream.max_wait_s});
        limit_waiting(session);
        return Verdict::handled;
    }

    /// A client that never resumes but always comes back would fill the memory with sessions: the oldest ends.
    void limit_waiting(Session& newest) {
        std::int64_t waiting = 0;
        Session* oldest = nullptr;
        for (auto* session : newest.account().sessions()) {
            if (session == &newest || session->link().is_connected || !is_enabled(*session)) continue;
            ++waiting;
            if (oldest == nullptr || streams_(*session).detached_at_s < streams_(*oldest).detached_at_s)
                oldest = session;
        }
        if (waiting >= max_waiting_ && oldest != nullptr) oldest->arm(waiting_timer, Duration{0});
    }

    void give_up(Session& session) {
        if (!session.link().is_connected) session.end();
    }

    // --- the end: what was not acknowledged goes elsewhere (§4)

    void unbound(Session& session) {
        if (!is_enabled(session)) return;
        remember_end(session);
        SentLog log{session};
        auto stanzas = session.take_kept();
        const auto unlogged = stanzas.size() > log.size() ? stanzas.size() - log.size() : 0;
        for (std::size_t i = 0; i < stanzas.size(); ++i) {
            const auto line = i < unlogged ? Sent{0, now().time_since_epoch().count(), 0} : log[i - unlogged];
            give_back(session, std::move(stanzas[i]), line);
        }
    }

    void give_back(Session& session, Stanza stanza, const Sent& line) {
        if (stanza.from().empty() || stanza.is_error()) return;
        if (stanza.is_request()) {   // RFC 6121 §8.5.3.2.3. Our own pushes need no answer.
            if (stanza.from().is_full()) host().route(stanza.error(Error{Condition::service_unavailable}));
            return;
        }
        if (!stanza.is_message()) return;
        if (!stanza.to().is_full() && is_held_by_another(session, line)) return;
        if (is_for_a_person(stanza)) stanza.set_to(session.bare_jid());   // any device will do, or none: then it waits
        add_delay(stanza, session.bare_jid().domain(), Time{std::chrono::milliseconds{line.time_ms}});
        host().route(std::move(stanza));
    }

    static bool is_for_a_person(const Stanza& message) {
        return message.type().empty() || message.type() == "normal" || message.type() == "chat";
    }

    /// A message to the bare JID went to each device that listened at that time. One that still does has it, or will
    /// give it back itself when it ends; a second copy would be a repetition.
    bool is_held_by_another(Session& session, const Sent& line) const {
        for (auto* other : session.account().sessions()) {
            if (other == &session || !other->is_available() || other->priority() < 0 || !listening_.has(*other))
                continue;
            if (listening_(*other).since < line.tick) return true;
        }
        return false;
    }

    /// XEP-0198 §4: the time at which it should have arrived. What was late already keeps its first stamp.
    static void add_delay(Stanza& message, std::string_view domain, Time time) {
        for (const auto child : message.xml().children())
            if (child.is("delay", delay_space) && child.attribute("from") == domain) return;
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

    // --- who listens since when

    void online(Session& session, Stanza&) { listening_(session).since = next_tick(); }

    /// A session that raises its priority from below zero listens from then on (RFC 6121 §8.5.2.1).
    void notice_priority(Session& session, const Stanza& stanza) {
        if (session.is_available() && session.priority() < 0 && wants_messages(stanza))
            listening_(session).since = next_tick();
    }

    /// Rises with every use, also over swaps (save) and over a time without this module (uptime).
    std::uint64_t next_tick() {
        const auto floor = static_cast<std::uint64_t>(host().uptime().count()) * ticks_per_ms;
        return tick_ = std::max(tick_ + 1, floor);
    }

    std::uint32_t uptime_s() const { return static_cast<std::uint32_t>(host().uptime().count() / 1000); }
    bool is_enabled(Session& session) const { return streams_.has(session) && streams_(session).is_enabled; }

    static constexpr std::uint64_t ticks_per_ms = 1024;
    static constexpr std::uint64_t stanza_overhead_bytes = 256;

    Option<Duration> resume_timeout_{"resume_timeout", std::chrono::minutes{5},
                                     "how long a session waits for its client to come back; 0s: it does not"};
    Option<Duration> ack_timeout_{"ack_timeout", std::chrono::seconds{60},
                                  "a connection on which <r/> is not answered for so long counts as broken"};
    Option<Duration> probe_after_{"probe_after", std::chrono::minutes{10},
                                  "silence after which a client is asked whether it is there, by <r/> or, where it has "
                                  "no stream management, white space; 0s: it is not"};
    Option<std::int64_t> max_kept_{"max_kept", 5000, "stanzas that may be unacknowledged before the session ends"};
    Option<Size> max_kept_bytes_{"max_kept_bytes", Size{8 * 1024 * 1024},
                                 "bytes that may be unacknowledged before the session ends"};
    Option<Size> max_waiting_bytes_{"max_waiting_bytes", Size{1024 * 1024},
                                    "the same for a session whose client is away"};
    Option<std::int64_t> max_waiting_{"max_waiting", 8,
                                      "sessions of one account that may wait for their clients at a time"};

    Slot<Stream> streams_{"sm-stream"};
    Slot<Listening> listening_{"sm-listening"};
    Slot<Ended> ended_{"sm-ended"};
    Slot<Heard> heard_{"sm-heard"};
    std::uint64_t tick_ = 0;
};

}   // namespace

TAMBO_MODULE(StreamManagement, "stream_management", "0.1.0", 1)
