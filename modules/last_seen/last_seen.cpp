// XEP-0012 (2.0): when was this user last here? With XEP-0256 (1.1) and XEP-0319 (1.0.2), by which clients say so
// themselves, and XEP-0203 (2.0) for whoever comes online and asks by a probe.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <tambo/tambo.hpp>

#include "../shared/grace.hpp"
#include "record.hpp"

namespace {

using namespace tambo;
using namespace tambo::last_seen;
using std::chrono::seconds;

constexpr std::string_view last_space = "jabber:iq:last";
constexpr std::string_view idle_space = "urn:xmpp:idle:1";
constexpr std::string_view delay_space = "urn:xmpp:delay";
constexpr std::string_view key_record = "record", key_circle = "visible_to";

/// What the row cannot tell while a session lives.
struct Moments {
    static constexpr int version = 2;
    std::int64_t presence_ms = 0;   ///< when its presence came

    /// Version 1 also had, behind it, when the connection was lost.
    static bool upgrade(int from, std::string_view bytes, Moments& moments) {
        if (from != 1 || bytes.size() < sizeof moments) return false;
        std::memcpy(&moments, bytes.data(), sizeof moments);
        return true;
    }
};

std::int64_t count(Time time) { return time.time_since_epoch().count(); }
Time moment(std::int64_t milliseconds) { return Time{Duration{milliseconds}}; }

bool asks_for_last(const Stanza& stanza) {
    return stanza.is_iq() && stanza.type() == "get" && stanza.payload().is("query", last_space);
}

std::optional<seconds> seconds_in(Element query) {
    const auto digits = query.attribute("seconds");
    std::uint32_t value = 0;
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || at != digits.data() + digits.size()) return std::nullopt;
    return seconds{value};
}

Circle read_circle(const std::string& name) {
    if (const auto circle = circle_of(name)) return *circle;
    throw std::runtime_error{"\"visible_to = " + name + "\": expected everyone, contacts or nobody"};
}

class LastSeen final : public Module {
public:
    LastSeen() {
        if (*keep_every_ < seconds{1}) throw std::runtime_error{"\"keep_every\": expected 1s or more"};
    }

    void wire(Wiring& w) override {
        w.on<&LastSeen::sent>(Event::stanza_in, this);
        w.on<&LastSeen::arriving>(Event::deliver, this);
        w.on<&LastSeen::outgoing>(Event::outgoing, this);
        w.iq<&LastSeen::answer>(last_space, "query", this, Scope::both);
        w.on<&LastSeen::came>(Event::online, this);
        w.on<&LastSeen::left>(Event::offline, this);
        w.every<&LastSeen::keep_all>(*keep_every_, this);
        w.command<&LastSeen::choose, &LastSeen::show_choice>(
            {.node = "last-seen",
             .words = {},
             .label = "Choose who may see when you were last here",
             .audience = Audience::user,
             .arguments = {{.name = std::string{key_circle},
                            .label = "Who may see it",
                            .kind = Argument::Kind::choice,
                            .choices = {"everyone", "contacts", "nobody"}}}},
            this);
        w.keeps("last-seen", "when the user was last here, the last status, and who may see both");
        w.feature(last_space, Scope::both);
    }

private:
    // --- who may know

    Circle circle(const Account& account) const {
        const auto* chosen = rows_.get(account, key_circle);
        return chosen != nullptr ? circle_of(*chosen).value_or(default_) : default_;
    }

    bool may_know(const Account& account, const Jid& who) const {
        if (who.bare_text() == account.jid().text()) return true;
        const auto chosen = circle(account);
        return chosen == Circle::everyone || (chosen == Circle::contacts && account.may_see_presence(who));
    }

    /// Whoever hides from somebody does not get to see that one either. Asked where the asking user lives.
    bool is_one_sided(const Account& asking, const Jid& asked) const {
        return *reciprocal_ && !may_know(asking, asked);
    }

    /// §3: forbidden. A stranger gets the same answer where there is no such account.
    Error refusal(const Account& account, const Jid& who) const {
        const bool is_open = default_ == Circle::everyone && !account.may_see_presence(who);
        return {is_open ? Condition::service_unavailable : Condition::forbidden, {}};
    }

    // --- XEP-0012: asking and answering

    /// Is the question allowed? Here rather than in answer(), since it may be for one of the user's clients (§4).
    Verdict arriving(Account& account, Stanza& stanza) {
        if (stanza.is_presence()) {
            hide_from_hider(account, stanza);
            return Verdict::pass;
        }
        if (!asks_for_last(stanza)) return Verdict::pass;
        if (!may_know(account, stanza.from())) {
            host().route(stanza.error(refusal(account, stanza.from())));
            return Verdict::handled;
        }
        auto* session = stanza.to().is_full() ? account.find(stanza.to().resource()) : nullptr;
        const auto idle = session != nullptr ? idle_time(*session) : std::nullopt;
        if (!idle) return Verdict::pass;   // the client may know
        auto result = stanza.result();
        result.set_inner(Writer{}.element("query", last_space).attribute("seconds", idle->count()).take());
        host().route(std::move(result));
        return Verdict::handled;
    }

    Reply answer(Iq& iq) {
        if (!iq.is_get()) return Error{Condition::bad_request, "this is asked with an iq of type get"};
        if (iq.account() == nullptr) return tell(std::chrono::duration_cast<seconds>(host().uptime()));   // §5
        auto& account = *iq.account();
        if (!may_know(account, iq.from())) return refusal(account, iq.from());
        if (iq.is_own() || is_anybody_there(account)) return tell(seconds{0});   // §3
        const auto record = look(account);
        if (!record) return Error{Condition::service_unavailable};   // never here
        return tell(since(record->at)).text(record->status);
    }

    static Reply tell(seconds age) {
        Reply reply;
        reply.element("query", last_space).attribute("seconds", age.count());
        return reply;
    }

    /// What a client said of its user in its presence: XEP-0319, or XEP-0256 as of when it came.
    std::optional<seconds> idle_time(Session& session) const {
        const auto* presence = session.presence();
        if (presence == nullptr) return std::nullopt;
        if (const auto idle = presence->child("idle", idle_space))
            if (const auto began = parse_time(idle.attribute("since"))) return since(*began);
        if (const auto query = presence->child("query", last_space))
            if (const auto said = seconds_in(query)) return *said + since(moment(moments_(session).presence_ms));
        return std::nullopt;
    }

    seconds since(Time time) const { return std::max(seconds{0}, std::chrono::duration_cast<seconds>(now() - time)); }

    /// What a client sends: its own questions, and the presence whose age will matter.
    Verdict sent(Session& session, Stanza& stanza) {
        if (stanza.is_presence() && stanza.type().empty() && stanza.to().empty())
            moments_(session).presence_ms = count(now());
        if (!asks_for_last(stanza) || stanza.to().local().empty() || !is_one_sided(session.account(), stanza.to()))
            return Verdict::pass;
        auto no = stanza.error({Condition::forbidden, "you hide when you were last here"});
        session.send(no);
        return Verdict::handled;
    }

    // --- presence that the server sends for the user

    Verdict outgoing(Account& account, Stanza& stanza) {
        if (!stanza.is_presence()) return Verdict::pass;
        if (stanza.type().empty()) stamp_old_presence(account, stanza);
        // From the bare JID: the answer to a probe where nobody is there (RFC 6121 §4.3.2).
        if (stanza.type() == "unavailable" && stanza.from().is_bare()) add_last_words(account, stanza);
        return Verdict::pass;
    }

    /// XEP-0256 §2.2: "seconds" counts from when the client said it.
    void stamp_old_presence(Account& account, Stanza& presence) const {
        if (!presence.has("query", last_space) || presence.has("delay", delay_space)) return;
        auto* session = account.find(presence.from().resource());
        if (session == nullptr) return;
        const auto said = moment(moments_(*session).presence_ms);
        if (since(said) >= seconds{1}) stamp(presence, account, said);
    }

    void add_last_words(Account& account, Stanza& presence) const {
        const auto record = look(account);
        if (!record || !may_know(account, presence.to())) return;
        if (!record->status.empty()) presence.append(Writer{}.element("status").text(record->status).take());
        stamp(presence, account, record->at);
    }

    static void stamp(Stanza& presence, const Account& account, Time time) {
        presence.append(Writer{}
                            .element("delay", delay_space)
                            .attribute("from", account.jid().domain())
                            .attribute("stamp", format_time(time))
                            .take());
    }

    /// The same presence where it arrives: the user who asked by coming online may hide from that contact.
    void hide_from_hider(const Account& account, Stanza& presence) const {
        if (presence.type() != "unavailable" || presence.from().is_full()) return;
        if (!presence.has("delay", delay_space) || !is_one_sided(account, presence.from())) return;
        presence.set_inner({});
    }

    // --- keeping it

    std::optional<Record> kept(const Account& account) const {
        const auto* row = rows_.get(account, key_record);
        return row != nullptr ? decode(*row) : std::nullopt;
    }

    /// What is kept, or what the user did since then in a session whose client is away.
    std::optional<Record> look(Account& account) const {
        auto record = kept(account);
        for (const Session* session : account.sessions())
            if (session->is_available()) record = later(record, session->active());
        return record;
    }

    /// A status says why the user left, so it goes with the time at which that was.
    static Record later(const std::optional<Record>& record, Time active) {
        return record && record->at >= active ? *record : Record{active, {}};
    }

    void keep(Account& account, const Record& record) const { rows_.put(account, key_record, encode(record)); }

    static bool is_anybody_there(Account& account) {
        return std::ranges::any_of(account.sessions(), [](const Session* s) { return shared::is_visible(*s); });
    }

    /// A client may be connected for hours while nobody looks at it: what counts is when it last said something. The
    /// status is that of the resource that left last.
    void left(Session& session, Stanza& goodbye) {
        auto record = later(kept(session.account()), session.active());
        if (!is_anybody_there(session.account())) record.status = goodbye.xml().child("status").text();
        keep(session.account(), record);
    }

    /// A server that dies says goodbye for nobody. So what is kept follows the user now and then.
    void came(Session& session, Stanza&) { keep_up(session); }
    void keep_all() {
        host().each_session([this](Session& session) { keep_up(session); });
    }
    void keep_up(Session& session) {
        if (!session.is_available()) return;
        const auto before = kept(session.account());
        if (!before || session.active() - before->at > *keep_every_ / 2)
            keep(session.account(), {session.active(), {}});
    }

    // --- the user's choice

    Task<Result<CommandResult>> choose(CommandCall call) {
        auto* account = host().find_account(call.who.bare());
        if (account == nullptr) co_return fail(Condition::item_not_found, "you have no account here");
        const auto chosen = call.get(key_circle);
        rows_.put(*account, key_circle, chosen);
        auto keeping = host().kept();
        const auto done = co_await std::move(keeping);
        if (!done) co_return std::unexpected{done.error()};
        co_return CommandResult{.text = "When you were last here can be seen by: " + chosen + "."};
    }

    void show_choice(CommandCall& call) {
        const auto* account = host().find_account(call.who.bare());
        if (account != nullptr) call.given[std::string{key_circle}] = {std::string{name_of(circle(*account))}};
    }

    Option<std::string> visible_to_{
        "visible_to", "contacts",
        "who may see when a user was last here, unless the user chooses otherwise: everyone, "
        "contacts or nobody"};
    Option<bool> reciprocal_{"reciprocal", false, "whoever hides it from somebody does not see it of that one either"};
    Option<Duration> keep_every_{"keep_every", std::chrono::minutes{5},
                                 "how old the kept time of an active user may become; it counts if the server dies"};
    Circle default_ = read_circle(*visible_to_);
    Table rows_{"last-seen"};   ///< "record" → time and status; "visible_to" → the user's choice
    Slot<Moments> moments_{"last-seen"};
};

}   // namespace

TAMBO_MODULE(LastSeen, "last_seen", "0.1.0", 1)
