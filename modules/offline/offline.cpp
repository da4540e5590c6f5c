// XEP-0160 (1.0.1): what is said to somebody who is away waits, in order, with XEP-0203 (2.0) stamps, as XEP-0334
// (1.0.0) hints wish.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/tambo.hpp>

#include "../shared/message.hpp"
#include "../shared/priority.hpp"

namespace {

using namespace tambo;
using namespace tambo::shared;

constexpr std::size_t batch_entries = 50;

/// A hand-over that is under way for an account. While it is, new messages queue up behind the old ones.
struct HandOver {
    static constexpr int version = 1;
    std::uint32_t generation = 0;   ///< of the task that may go on; an older one stops
    std::uint32_t appended = 0;     ///< messages that queued up behind it
    std::int64_t beat_ms = 0;       ///< uptime of the last step, or of the last failure
    std::uint64_t device = 0;       ///< hash of the full JID that came online
    bool is_active = false;
};

enum class Fate : std::uint8_t { keep, forget, refuse };

/// XEP-0160 §3 and XEP-0334 §4: what becomes of a message that found nobody.
Fate fate(const Stanza& message) {
    const auto type = message.type();
    if (type == "error" || type == "headline" || type == "groupchat") return Fate::refuse;
    if (is_chat_state(message.xml())) return Fate::forget;   // whatever a hint says
    const bool has_something = has_content(message.xml());
    if (message.has("no-store", hints_space)) return has_something ? Fate::refuse : Fate::forget;
    if (message.has("store", hints_space)) return Fate::keep;
    return has_something ? Fate::keep : Fate::forget;
}

bool is_listening(const Session& session) { return session.is_available() && session.priority() >= 0; }

/// By name: sending can end a session.
std::vector<Jid> listening(Account& account) {
    std::vector<Jid> devices;
    for (auto* session : account.sessions())
        if (is_listening(*session)) devices.push_back(session->jid());
    return devices;
}

class Offline final : public Module {
public:
    void wire(Wiring& w) override {
        w.on<&Offline::arrived>(Event::stanza_in, this, priority::first);
        w.on<&Offline::online>(Event::online, this, priority::late);
        w.on<&Offline::queue_up>(Event::deliver, this, priority::late);
        w.on<&Offline::undelivered>(Event::undelivered, this);
        w.feature("msgoffline");
    }

private:
    // --- in: what is kept

    Verdict undelivered(Account& account, Stanza& message) {
        if (!account.exists()) return Verdict::pass;
        switch (fate(message)) {
            case Fate::refuse:
                return Verdict::pass;
            case Fate::forget:
                return Verdict::handled;
            case Fate::keep:
                break;
        }
        keep(account, message);
        return Verdict::handled;
    }

    void keep(Account& account, const Stanza& message) {
        if (!has_room(account, message))
            return bounce(refusal(message, "too many messages wait for this user already"));
        auto& state = hand_overs_(account);
        ++state.appended;
        host().spawn(confirm(host().journal().append(account, message, now(), random_token(24)),
                             refusal(message, "the message could not be kept")));
    }

    bool has_room(const Account& account, const Stanza& message) const {
        const auto& journal = host().journal();
        return std::cmp_less(journal.count(account), *max_messages_) &&
               journal.bytes(account) + message.inner().size() <= max_bytes_->bytes;
    }

    /// XEP-0160 §2, step 3: <service-unavailable/>, also where the reason is a full queue.
    static Stanza refusal(const Stanza& message, std::string why) {
        return message.error(Error{Condition::service_unavailable, std::move(why)});
    }

    void bounce(Stanza error) {
        if (!error.to().empty()) host().route(std::move(error));
    }

    Task<void> confirm(Later<Result<std::uint64_t>> kept, Stanza error) {
        const auto sequence = co_await kept;
        if (sequence) co_return;
        log().error("a message for {} was not kept, its sender is told: {}", error.from().text(),
                    sequence.error().text);
        bounce(std::move(error));
    }

    /// XEP-0203 §5: a delay "from" one of our domains is our word, so a client can not bring it along.
    void arrived(Session& session, Stanza& stanza) {
        if (stanza.is_presence()) return notice_priority(session, stanza);
        if (!stanza.is_message()) return;
        while (const auto forged = forged_delay(stanza)) stanza.remove(forged);
    }

    Element forged_delay(const Stanza& message) const {
        for (const auto child : message.xml().children()) {
            if (!child.is("delay", delay_space)) continue;
            const auto from = Jid::parse(child.attribute("from"));
            if (from && from->is_domain() && host().is_local(from->domain())) return child;
        }
        return {};
    }

    // --- out: who gets it

    void online(Session& session, Stanza&) {
        if (session.priority() >= 0) start(session);
    }

    /// A session that raises its priority from below zero can be given messages from then on. It counts once the
    /// presence was worked off, hence after this turn.
    void notice_priority(Session& session, const Stanza& stanza) {
        if (!session.is_available() || session.priority() >= 0 || !wants_messages(stanza)) return;
        host().defer([this, jid = session.jid()] {
            auto* account = host().find_account(jid.bare());
            auto* again = account != nullptr ? account->find(jid.resource()) : nullptr;
            if (again != nullptr && is_listening(*again)) start(*again);
        });
    }

    void start(Session& session) {
        auto& account = session.account();
        auto& state = hand_overs_(account);
        if (state.is_active && !is_stale(state)) return;
        if (host().journal().count(account) == 0) return;
        state.is_active = true;
        state.device = session.jid().hash();
        state.beat_ms = host().uptime().count();
        ++state.generation;
        host().spawn(hand_over(account.jid(), state.generation));
    }

    /// The task that keeps the beat may have ended with its version of this module, or its last attempt failed.
    bool is_stale(const HandOver& state) const {
        return host().uptime().count() - state.beat_ms > std::chrono::milliseconds{patience}.count();
    }

    /// While older messages are on their way, a new one waits behind them.
    Verdict queue_up(Account& account, Stanza& message) {
        if (!message.is_message() || host().journal().count(account) == 0 || fate(message) != Fate::keep)
            return Verdict::pass;
        const auto devices = listening(account);
        if (devices.empty()) return Verdict::pass;
        auto& state = hand_overs_(account);
        if (is_stale(state))
            if (auto* session = account.find(devices.front().resource())) start(*session);
        if (!state.is_active || !is_in_line(account, message, state)) return Verdict::pass;
        keep(account, message);
        return Verdict::handled;
    }

    /// What goes to another device by name does not meet the old messages, so it need not wait.
    static bool is_in_line(Account& account, const Stanza& message, const HandOver& state) {
        if (!message.to().is_full()) return true;
        return message.to().hash() == state.device || account.find(message.to().resource()) == nullptr;
    }

    /// Hands over what waits, batch after batch, until nothing is left or nobody listens. Only what was handed over is
    /// erased. After each wait everything is looked up again: session, account, and whether this task is still the one.
    Task<void> hand_over(Jid owner, std::uint32_t generation) {
        std::uint64_t after = 0;
        while (auto* account = in_charge(owner, generation)) {
            const auto appended = hand_overs_(*account).appended;
            const auto batch = co_await host().journal().read(*account, after, batch_entries);
            account = in_charge(owner, generation);
            if (account == nullptr) co_return;
            if (!batch) co_return give_up(*account, batch.error());
            if (batch->empty() && hand_overs_(*account).appended == appended) co_return finish(*account);
            if (batch->empty()) continue;

            const auto handed = send(*account, *batch);
            if (handed.entries == 0) co_return finish(*account);
            after = handed.up_to;
            account = in_charge(owner, generation);
            if (account == nullptr) co_return;
            const auto erased = co_await host().journal().erase(*account, after, handed.entries, handed.bytes);
            if (!erased)
                log().error("{} got messages that can not be erased, they will come again: {}", owner.text(),
                            erased.error().text);
        }
    }

    /// The account, if the task of this generation still has a say; keeps the beat.
    Account* in_charge(const Jid& owner, std::uint32_t generation) {
        auto* account = host().find_account(owner);
        if (account == nullptr) return nullptr;
        auto& state = hand_overs_(*account);
        if (!state.is_active || state.generation != generation) return nullptr;
        state.beat_ms = host().uptime().count();
        return account;
    }

    void finish(Account& account) { hand_overs_(account).is_active = false; }

    void give_up(Account& account, const Error& why) {
        hand_overs_(account).is_active = false;
        log().error("messages for {} can not be read, they stay where they are: {}", account.jid().text(), why.text);
    }

    struct Handed {
        std::uint64_t up_to = 0, entries = 0, bytes = 0;
    };

    /// Sends to the devices that listen, until none of them is left.
    Handed send(Account& account, const std::vector<JournalEntry>& batch) {
        const auto devices = listening(account);
        Handed handed;
        for (const auto& entry : batch) {
            auto message = Stanza::parse(entry.stanza);
            if (message) {
                add_delay(*message, account.jid().domain(), entry.time);
                if (!send(account, *message, devices)) return handed;
            } else {
                log().error("entry {} in the journal of {} is not a stanza and is left out", entry.sequence,
                            account.jid().text());
            }
            handed = {entry.sequence, handed.entries + 1, handed.bytes + entry.stanza.size()};
        }
        return handed;
    }

    /// False if there is nobody left to send to.
    static bool send(Account& account, const Stanza& message, const std::vector<Jid>& devices) {
        if (auto* session = message.to().is_full() ? account.find(message.to().resource()) : nullptr) {
            send(*session, message);
            return true;
        }
        bool is_sent = false;
        for (const auto& device : devices) {
            auto* session = account.find(device.resource());
            if (session == nullptr) continue;
            send(*session, message);
            is_sent = true;
        }
        return is_sent;
    }

    static void send(Session& session, Stanza message) { session.send(message); }

    /// XEP-0203 §3. What came with a stamp of ours (a broken connection held it up before) keeps that one: it is older.
    static void add_delay(Stanza& message, std::string_view domain, Time time) {
        for (const auto child : message.xml().children())
            if (child.is("delay", delay_space) && child.attribute("from") == domain) return;
        message.append(Writer{}
                           .element("delay", delay_space)
                           .attribute("from", domain)
                           .attribute("stamp", format_time(time))
                           .take());
    }

    static constexpr Duration patience = std::chrono::seconds{15};

    Option<std::int64_t> max_messages_{"max_messages", 1000,
                                       "messages that may wait for one user; further ones are refused"};
    Option<Size> max_bytes_{"max_bytes", Size{std::uint64_t{4} << 20},
                            "bytes that may wait for one user; further ones are refused"};
    Slot<HandOver> hand_overs_{"offline-hand-over"};
};

}   // namespace

TAMBO_MODULE(Offline, "offline", "0.1.0", 1)
