#include "hand_over.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "../shared/listening.hpp"
#include "../shared/message.hpp"

namespace tambo::offline {

namespace {

using shared::delay_space;
using shared::is_listening;
using shared::listening;

constexpr std::size_t batch_entries = 100;
constexpr Duration patience = std::chrono::seconds{15};

}   // namespace

// --- when

void HandOvers::consider(Account& account, Begin from) {
    if (from == Begin::for_the_new && account.sessions().size() > 1) with_new_.push_back(account.jid());
    const auto at = std::ranges::find(due_, account.jid(), &Due::owner);
    if (at != due_.end()) {
        at->from = std::max(at->from, from);
        return;
    }
    due_.push_back({account.jid(), from});
    host_.defer([this, jid = account.jid()] {
        const auto due = std::ranges::find(due_, jid, &Due::owner);
        if (due == due_.end()) return;
        const auto begin = due->from;
        due_.erase(due);
        if (auto* again = host_.find_account(jid))
            consider_now(*again, begin);
        else
            std::erase(with_new_, jid);
    });
}

void HandOvers::consider_now(Account& account, Begin from) {
    if (!has_work(account)) return;
    if (is_held_up(account)) return stop(account);
    auto& state = hand_overs_(account);
    if (from != Begin::where_it_was && state.is_active) state.is_rewound = true;
    if (state.is_active && !state.is_paused && !is_stale(state)) return;
    if (!state.is_active) state.after = 0;
    state.is_active = true;
    state.is_paused = !has_connected(account) || !has_room(account, window_ / 2);
    if (!state.is_paused) begin(account, state);
}

bool HandOvers::has_work(const Account& account) const {
    return host_.journal().count(account) > 0 || std::ranges::find(with_new_, account.jid()) != with_new_.end();
}

void HandOvers::stop(Account& account) {
    hand_overs_(account).is_active = false;
    std::erase(with_new_, account.jid());
}

void HandOvers::begin(Account& account, HandOver& state) {
    state.beat_ms = host_.uptime().count();
    if (std::exchange(state.is_rewound, false)) state.after = 0;
    ++state.generation;
    host_.spawn(work(account.jid(), state.generation));
}

/// The task that keeps the beat may have ended with its version of this module, or its last attempt failed.
bool HandOvers::is_stale(const HandOver& state) const {
    return host_.uptime().count() - state.beat_ms > patience.count();
}

/// Nobody listens, or somebody wants to choose for herself.
bool HandOvers::is_held_up(Account& account) const {
    const auto sessions = account.sessions();
    if (std::ranges::any_of(sessions, [this](Session* s) { return flexible_.has(*s) && flexible_(*s).is_chosen; }))
        return true;
    return std::ranges::none_of(sessions, [](const Session* s) { return is_listening(*s); });
}

bool HandOvers::has_connected(Account& account) {
    return std::ranges::any_of(account.sessions(),
                               [](const Session* s) { return is_listening(*s) && s->link().is_connected; });
}

/// The slowest of the connected devices sets the pace, so that each gets all. One that is too slow loses its connection
/// (XEP-0198: ack_timeout).
bool HandOvers::has_room(Account& account, std::uint32_t window) const {
    return std::ranges::none_of(account.sessions(), [&](Session* session) {
        if (!flows_.has(*session) || !session->link().is_connected) return false;
        auto& flow = flows_(*session);
        if (session->kept() == 0) flow.in_flight = 0;
        return flow.in_flight > window;
    });
}

bool HandOvers::is_in_line(Account& account, const Stanza& message) {
    if (!has_work(account) || is_held_up(account)) return false;
    if (const auto* named = message.to().is_full() ? account.find(message.to().resource()) : nullptr;
        named != nullptr && !is_listening(*named))
        return false;
    auto& state = hand_overs_(account);
    if (!state.is_active || is_stale(state) || state.is_paused) consider_now(account, Begin::where_it_was);
    return state.is_active;
}

void HandOvers::noticed(Account& account, const JournalNotice& notice) {
    using What = JournalNotice::What;
    if (notice.session == nullptr) return;
    if (notice.what == What::returned) return consider(account, Begin::anew);
    if (notice.what != What::delivered) return;
    auto* session = account.find(notice.session->resource());
    if (session == nullptr || !flows_.has(*session)) return;
    auto& flow = flows_(*session);
    if (flow.in_flight == 0 || notice.sequence < flow.first || notice.sequence > flow.last) return;
    if (--flow.in_flight == window_ / 2) consider(account, Begin::where_it_was);
}

// --- what

/// After each wait everything is looked up again: session, account, and whether this task is still the one.
Task<void> HandOvers::work(Jid owner, std::uint32_t generation) {
    while (auto* account = in_charge(owner, generation)) {
        if (!has_connected(*account) || !has_room(*account, window_)) co_return rest(*account);
        if (std::exchange(hand_overs_(*account).is_rewound, false)) hand_overs_(*account).after = 0;
        const auto appended = hand_overs_(*account).appended;
        auto reading = host_.journal().read(*account, hand_overs_(*account).after, batch_entries);
        const auto batch = co_await std::move(reading);
        account = in_charge(owner, generation);
        if (account == nullptr) co_return;
        if (!batch) co_return give_up(*account, batch.error());
        if (hand_overs_(*account).is_rewound) continue;
        if (!batch->empty())
            send(*account, *batch);
        else if (!goes_on(*account, appended))
            co_return;
    }
}

/// The account, if the task of this generation still has a say; keeps the beat.
Account* HandOvers::in_charge(const Jid& owner, std::uint32_t generation) {
    auto* account = host_.find_account(owner);
    if (account == nullptr) return nullptr;
    auto& state = hand_overs_(*account);
    if (!state.is_active || state.generation != generation) return nullptr;
    state.beat_ms = host_.uptime().count();
    return account;
}

/// Until a device has acknowledged some, or is back. New messages wait behind the old ones that long, so that they
/// come in order.
void HandOvers::rest(Account& account) {
    auto& state = hand_overs_(account);
    state.is_paused = true;
    if (is_held_up(account)) stop(account);
}

/// At the end: has anything come meanwhile?
bool HandOvers::goes_on(Account& account, std::uint32_t appended) {
    if (hand_overs_(account).appended != appended) return true;
    stop(account);
    return false;
}

void HandOvers::give_up(Account& account, const Error& why) {
    stop(account);
    host_.log().error("messages for {} can not be read, they stay where they are: {}", account.jid().text(), why.text);
}

// --- to whom

void HandOvers::send(Account& account, const std::vector<JournalEntry>& batch) {
    const auto devices = listening(account);
    std::vector<JournalEntry> expired;
    for (const auto& entry : batch) {
        if (!has_connected(account)) break;
        hand_overs_(account).after = entry.sequence;
        if (expiry_.is_over(entry)) {
            expired.push_back(entry);
            continue;
        }
        auto message = host_.journal().take_up(account, entry);
        if (!message) continue;
        add_delay(*message, account.jid().domain(), entry.time);
        send(account, *message, devices);
        host_.journal().set_down(account, entry.sequence);
    }
    expiry_.drop(account, std::move(expired));
}

/// By name if that device is there, else to all that listen.
void HandOvers::send(Account& account, const Stanza& message, const std::vector<Jid>& devices) {
    if (auto* session = message.to().is_full() ? account.find(message.to().resource()) : nullptr)
        return send(*session, message);
    for (const auto& device : devices)
        if (auto* session = account.find(device.resource())) send(*session, message);
}

void HandOvers::send(Session& session, Stanza message) {
    const auto before = session.kept();
    const auto sequence = message.sequence();
    session.send(message);
    if (session.kept() <= before) return;
    auto& flow = flows_(session);
    if (flow.in_flight++ == 0) flow.first = sequence;
    flow.last = sequence;
}

void HandOvers::add_delay(Stanza& message, std::string_view domain, Time time) {
    for (const auto child : message.xml().children())
        if (child.is("delay", delay_space) && child.attribute("from") == domain) return;
    message.append(
        Writer{}.element("delay", delay_space).attribute("from", domain).attribute("stamp", format_time(time)).take());
}

}   // namespace tambo::offline
