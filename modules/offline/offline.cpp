// XEP-0160 (1.0.1): what is said to somebody waits until a device has it, in order, with XEP-0203 (2.0) stamps, as
// XEP-0334 (1.0.0) hints wish; or is chosen piece by piece (XEP-0013, 1.2).
//
// The journal is the kernel's. This module says which messages enter it, under which stable id (XEP-0359, 0.7.0), how
// many and for how long, and hands over what waits (hand_over.hpp).
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/tambo.hpp>

#include "../shared/listening.hpp"
#include "../shared/message.hpp"
#include "../shared/priority.hpp"
#include "../shared/records.hpp"
#include "fate.hpp"
#include "hand_over.hpp"
#include "retrieval.hpp"

namespace {

using namespace tambo;
using namespace tambo::offline;
using namespace tambo::shared;

constexpr std::string_view info_space = "http://jabber.org/protocol/disco#info";
constexpr std::string_view items_space = "http://jabber.org/protocol/disco#items";
constexpr std::string_view receipts_space = "urn:xmpp:receipts";

class Offline final : public Module {
public:
    void wire(Wiring& w) override {
        w.on<&Offline::sent_by_client>(Event::stanza_in, this, priority::first);
        w.on<&Offline::asked_about_queue>(Event::stanza_in, this);
        // After those who may refuse a message, before its copies are made (carbons): they are copies of an entry.
        w.on<&Offline::arriving>(Event::deliver, this, priority::late + 20);
        w.on<&Offline::queue_up>(Event::deliver, this, priority::late);
        w.on<&Offline::undelivered>(Event::undelivered, this);
        w.on<&Offline::online>(Event::online, this, priority::late);
        w.on<&Offline::there>(Event::restored, this, priority::late);
        w.on<&Offline::there>(Event::resumed, this, priority::late);   // after what was sent before (XEP-0198)
        w.on<&Offline::unbound>(Event::unbound, this);
        w.on<&Offline::loaded>(Event::loaded, this);
        if (expire_->count() > 0) w.every<&Offline::sweep>(sweep_interval, this);
        using What = JournalNotice::What;
        w.journal<&Offline::noticed>(this, JournalNotice::only(What::returned, What::delivered));
        w.iq<&Offline::retrieve>(retrieval_space, "offline", this, Scope::account);
        w.feature("msgoffline");
        w.feature(retrieval_space);
    }

private:
    // --- in: what becomes an entry

    /// Before it goes to sessions: where one of them can say that it has the message, it is kept until it does.
    Verdict arriving(Account& account, Stanza& message) {
        const bool is_found = finds_somebody(account, message);
        if (is_found && !is_held(account, message)) return Verdict::pass;
        if (!is_to_be_kept(account, message) || hand_overs_.is_in_line(account, message)) return Verdict::pass;
        if (!is_found) return keep(account, message);   // also for the copies that it makes
        append(account, message);
        return Verdict::pass;
    }

    static bool is_held(Account& account, const Stanza& message) {
        return std::ranges::any_of(account.sessions(), [&](const Session* s) { return may_hold(*s, message); });
    }

    /// Until its client says that it has it: with XEP-0198 of any message, else (XEP-0184) of those that ask for it.
    static bool may_hold(const Session& session, const Stanza& message) {
        return session.keeps_sent() || (session.holds() && message.has("request", receipts_space));
    }

    static bool is_to_be_kept(const Account& account, const Stanza& message) {
        return message.is_message() && message.sequence() == 0 && account.exists() && fate(message) == Fate::keep;
    }

    /// RFC 6121 §8.5.2.1, §8.5.3: the one that is named, else all that listen.
    static bool finds_somebody(Account& account, const Stanza& message) {
        if (message.to().is_full() && account.find(message.to().resource()) != nullptr) return true;
        return std::ranges::any_of(account.sessions(), [](const Session* s) { return is_listening(*s); });
    }

    Verdict queue_up(Account& account, Stanza& message) {
        if (!hand_overs_.has_work(account) || !is_to_be_kept(account, message) ||
            !hand_overs_.is_in_line(account, message))
            return Verdict::pass;
        (void)keep(account, message);
        return Verdict::handled;
    }

    Verdict undelivered(Account& account, Stanza& message) {
        if (!account.exists()) return Verdict::pass;
        if (message.sequence() != 0) return Verdict::handled;   // it waits already
        const auto found = fate(message);
        if (found == Fate::keep) (void)keep(account, message);
        return found == Fate::refuse ? Verdict::pass : Verdict::handled;
    }

    /// Handled if it is refused.
    Verdict keep(Account& account, Stanza& message) {
        if (const auto* why = no_room(account, message)) {
            expiry_.look(account, Duration{0});
            bounce(message, why);
            return Verdict::handled;
        }
        const auto key = marker_key(message);
        HandOvers::add_delay(message, account.jid().domain(), now());   // it will be late, whoever sends it, and when
        const auto sequence = append(account, message);
        hand_overs_.queued_up(account);
        if (!key.empty()) take_place_of_earlier(account, key, sequence);
        expiry_.look(account, sweep_interval);
        return Verdict::pass;
    }

    std::uint64_t append(Account& account, Stanza& message) {
        auto id = host().journal().next_id();
        if (stanza_ids_)   // XEP-0359 §3.1; what a client brought along in our name is gone already (receipts)
            message.append("stanza-id", ids_space, {{"by", account.jid().text()}, {"id", id}});
        return host().journal().append(account, message, now(), std::move(id));
    }

    /// Null if there is some.
    const char* no_room(const Account& account, const Stanza& message) const {
        const auto& journal = host().journal();
        if (!std::cmp_less(journal.count(account), *max_messages_)) return "too many messages wait for this user";
        if (journal.bytes(account) + message.inner().size() > max_bytes_->bytes)
            return "the messages that wait for this user take up all of the room that there is";
        return nullptr;
    }

    /// XEP-0160 §2, step 3: <service-unavailable/>, also where the reason is a full queue.
    void bounce(const Stanza& message, std::string why) {
        if (!message.from().empty()) host().route(message.error(Error{Condition::service_unavailable, std::move(why)}));
    }

    /// XEP-0333: of several markers for one chat, the last one that waits says it all.
    void take_place_of_earlier(Account& account, std::string_view key, std::uint64_t sequence) {
        Records markers{account.slot("offline-markers-1")};
        std::optional<std::uint64_t> earlier;
        markers.erase_if([&](const Records::Record& record) {
            if (record.key != key) return false;
            earlier = sequence_of(record.value);
            return true;
        });
        if (markers.count() >= max_markers) markers.erase_first();
        markers.push({now().time_since_epoch().count(), key, node_of(sequence)});
        if (earlier && *earlier > 0) host().spawn(drop_one(account.jid(), *earlier));
    }

    Task<void> drop_one(Jid owner, std::uint64_t sequence) {
        auto* account = host().find_account(owner);
        if (account == nullptr) co_return;
        auto reading = host().journal().read(*account, sequence - 1, 1);
        const auto found = co_await std::move(reading);
        account = host().find_account(owner);
        if (account == nullptr || !found || found->empty() || found->front().sequence != sequence) co_return;
        (void)host().journal().drop(*account, *found);
    }

    // --- for how long

    void loaded(Account& account) { expiry_.look(account, sweep_interval); }

    /// Those whose users come, and those who get mail, are looked at then; the sweep finds all others.
    void sweep() { expiry_.sweep(); }

    // --- out: when

    void online(Session& session, Stanza&) {
        if (session.priority() >= 0) hand_overs_.consider(session.account(), HandOvers::Begin::for_the_new);
    }

    void there(Session& session) {
        if (is_listening(session)) hand_overs_.consider(session.account(), HandOvers::Begin::anew);
    }

    /// What it was slow to take, or kept from the others (XEP-0013).
    void unbound(Session& session) { hand_overs_.consider(session.account(), HandOvers::Begin::anew); }

    void noticed(Account& account, const JournalNotice& notice) { hand_overs_.noticed(account, notice); }

    void sent_by_client(Session& session, Stanza& stanza) {
        if (stanza.is_presence()) return notice_priority(session, stanza);
        if (!stanza.is_message()) return;
        while (const auto forged = forged_delay(stanza)) stanza.remove(forged);
    }

    /// A session that raises its priority from below zero can be given messages from then on. It counts once the
    /// presence was worked off, hence after this turn.
    void notice_priority(Session& session, const Stanza& stanza) {
        if (session.is_available() && session.priority() < 0 && wants_messages(stanza))
            hand_overs_.consider(session.account(), HandOvers::Begin::for_the_new);
    }

    /// XEP-0203 §5: a delay "from" one of our domains is our word, so a client can not bring it along.
    Element forged_delay(const Stanza& message) const {
        if (!message.xml().child_in(delay_space)) return {};
        for (const auto child : message.xml().children()) {
            if (!child.is("delay", delay_space)) continue;
            const auto from = Jid::parse(child.attribute("from"));
            if (from && from->is_domain() && host().is_local(from->domain())) return child;
        }
        return {};
    }

    // --- XEP-0013: who wants to choose

    /// §2.2, §2.3: service discovery of a node that only its owner can see, so it is answered before modules/disco
    /// looks at it.
    Verdict asked_about_queue(Session& session, Stanza& stanza) {
        if (!stanza.is_iq() || stanza.type() != "get") return Verdict::pass;
        if (!stanza.to().empty() && stanza.to() != session.bare_jid()) return Verdict::pass;
        const auto query = stanza.payload();
        const bool is_count = query.is("query", info_space);
        if ((!is_count && !query.is("query", items_space)) || query.attribute("node") != retrieval_space)
            return Verdict::pass;
        hand_overs_.choose_flexible(session);
        auto answer = stanza.result();
        answer.set_from(session.bare_jid());
        if (is_count) {
            answer.set_inner(number_of_messages(host().journal().count(session.account())));
            host().route(std::move(answer));
        } else {
            host().spawn(answer_with_headers(std::move(answer), stanza.error(Error{Condition::resource_constraint})));
        }
        return Verdict::handled;
    }

    Task<void> answer_with_headers(Stanza answer, Stanza error) {
        auto asking = retrieval_.headers(answer.to().bare());
        auto headers = co_await std::move(asking);
        if (headers) answer.set_inner(std::move(*headers));
        host().route(std::move(headers ? answer : error));
    }

    Task<Reply> retrieve(Iq iq) {
        if (!iq.is_own()) co_return Error{Condition::forbidden};
        if (iq.is_get()) hand_overs_.choose_flexible(*iq.session());   // §2.6
        const auto wish = iq.payload();
        const auto& device = iq.from();
        const bool is_whole = static_cast<bool>(wish.child(iq.is_get() ? "fetch" : "purge"));
        const auto nodes = chosen(wish, iq.is_get() ? "view" : "remove");
        if (!is_whole && !nodes) co_return Error{Condition::bad_request};
        auto doing = iq.is_get()
                         ? (is_whole ? retrieval_.fetch(device) : retrieval_.view(device, *nodes))
                         : (is_whole ? retrieval_.purge(device.bare()) : retrieval_.remove(device.bare(), *nodes));
        const auto done = co_await std::move(doing);
        if (!done) co_return done.error();
        co_return Iq::result();
    }

    static constexpr std::size_t max_markers = 64;
    static constexpr Duration sweep_interval = std::chrono::hours{1};

    Option<std::int64_t> max_messages_{"max_messages", 1000,
                                       "messages that may wait for one user; further ones are refused"};
    Option<Size> max_bytes_{"max_bytes", Size{std::uint64_t{4} << 20},
                            "bytes that may wait for one user; further ones are refused"};
    Option<Duration> expire_{"expire", std::chrono::seconds{0},
                             "how long a message may wait before its sender gets an error instead; 0s: for as long as "
                             "its user stays away"};
    Option<std::int64_t> window_{"window", 500,
                                 "of what waited, so many messages may be unacknowledged by one device before it gets "
                                 "more; less than stream_management's max_kept"};
    Option<bool> stanza_ids_{"stanza_ids", true,
                             "give messages that are kept until they are acknowledged a stable id (XEP-0359)"};

    Expiry expiry_{host(), *expire_};
    HandOvers hand_overs_{host(), expiry_,
                          static_cast<std::uint32_t>(std::clamp<std::int64_t>(*window_, 2, 1'000'000))};
    Retrieval retrieval_{host()};
};

}   // namespace

TAMBO_MODULE(Offline, "offline", "0.2.0", 1)
