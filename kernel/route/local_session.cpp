#include "route/local_session.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "net/connection.hpp"
#include "route/account.hpp"
#include "route/journal_batch.hpp"
#include "route/kill_point.hpp"
#include "route/session_state.hpp"
#include "route/text_hash.hpp"
#include "shard/shard.hpp"

namespace tambo {

LocalSession::LocalSession(LocalAccount& account, Jid jid)
    : account_(account), jid_(std::move(jid)), since_(account.shard().kernel.clock->now()), active_(since_) {}

LocalSession::~LocalSession() {
    cancel_timers();
    if (!ended_) {
        slots_.leave();
        account_.shard().shown.forget(*this);
    }
    leave_origin();
}

void LocalSession::mark_ended() {
    if (std::exchange(ended_, true)) return;
    slots_.leave();
    leave_origin();
}

void LocalSession::leave_origin() noexcept {
    if (!counts_ || counts_->origin->is_gone.exchange(true)) return;
    account_.shard().kernel.origins.remove(counts_->origin->device);
    counts_->origin->session = nullptr;
}

std::string& LocalSession::slot(std::string_view name) { return slots_.at(name, account_.shard().slots, !ended_); }

Account& LocalSession::account() noexcept { return account_; }

Link LocalSession::link() const noexcept {
    if (connection_ == nullptr) return {};
    return {true, connection_->is_secure(), connection_->address(), connection_->codec_name()};
}

const Stanza* LocalSession::presence() const noexcept {
    return presence_ ? &account_.shard().show(*this, presence_) : nullptr;
}

void LocalSession::set_available(const Stanza& presence, int priority) {
    const bool was_available = is_available();
    Stanza initial;   // handlers may look at it while the kept one changes
    if (!was_available) initial = presence;
    presence_ = KeptPresence{presence};   // which may be the one that is shown
    account_.shard().shown.forget(*this);
    priority_ = priority;
    may_have_changed();
    if (!was_available) account_.shard().fire(Event::online, *this, &initial);
}

void LocalSession::set_unavailable(Stanza& goodbye) {
    if (!is_available()) return;
    presence_ = {};
    account_.shard().shown.forget(*this);
    priority_ = 0;
    may_have_changed();
    account_.shard().fire(Event::offline, *this, &goodbye);
}

void LocalSession::send(Stanza& stanza) {
    auto& shard = account_.shard();
    if (ended_) return;
    bool again = false;
    const auto entry = shard.journal.give(*this, stanza, again);
    if (again || shard.fire(Event::stanza_out, *this, &stanza).handled || ended_) return;
    bool leaves = true;
    if (counts_) {
        leaves = may_speak() && (!entry || shard.journal.may_leave(*entry, *this)) && !counts_->outbox.is_blocked();
        const auto number = counts_->outbox.push(stanza, entry, leaves);
        if (entry) shard.journal.numbered(entry, *this, number);
    } else if (entry && !confirming_) {
        shard.journal.handed(entry, *this);
    }
    if (leaves) write(stanza, entry.get());
    // A client that never acknowledges costs itself its session, not the server its memory.
    if (counts_ && counts_->outbox.is_full() && !ended_)
        close(StreamCondition::policy_violation, "too many stanzas without acknowledgement", {});
}

void LocalSession::write(Stanza& stanza, const Entry* entry) {
    auto& shard = account_.shard();
    if (connection_ != nullptr) {
        if (entry != nullptr && stanza.is_as_kept())
            connection_->write(stanza, entry->data.stanza);
        else
            connection_->write(stanza);
    }
    ++sent_;
    shard.figures.out.count(stanza);
    shard.fire(Event::sent, *this, &stanza);
}

void LocalSession::send_element(std::string_view xml) {
    if (connection_ != nullptr) connection_->write_element(xml);
}

void LocalSession::close(StreamCondition condition, std::string_view text, std::string_view application) {
    if (auto* c = std::exchange(connection_, nullptr)) {
        c->release_session();
        c->close_stream(condition, text, application);
    }
    account_.shard().end_session(*this);
}

void LocalSession::drop_link() {
    if (connection_ != nullptr) connection_->drop();
}

// --- what makes it resumable

void LocalSession::keep_sent(std::size_t max_kept) {
    if (counts_) return counts_->outbox.limit(max_kept);
    std::uint64_t device = 0;
    while (device == 0) {
        const auto bytes = random_bytes(sizeof device);
        std::memcpy(&device, bytes.data(), sizeof device);
    }
    auto origin = std::make_shared<SessionOrigin>(account_.shard(), *this, device);
    counts_ = std::make_unique<Counts>(max_kept, std::move(origin));
    counts_->accepted = counts_->kept_accepted = received_;
}

void LocalSession::make_durable() {
    if (!counts_ || !account_.shard().kernel.store.ready()) return;
    counts_->origin->kept = counts_->kept_accepted = counts_->accepted;
    counts_->origin->is_durable = true;
    account_.shard().kernel.origins.add(counts_->origin);
    account_.shard().journal.touch(*this);
}

void LocalSession::acknowledge(std::uint64_t up_to) {
    if (!counts_) return;
    kill_point("session-ack");
    auto& journal = account_.shard().journal;
    counts_->outbox.acknowledge(up_to, [&](const Outbox::Kept& kept) {
        if (kept.entry) journal.acknowledged(kept.entry, *this);
    });
    journal.touch(*this);
}

void LocalSession::resend_kept() {
    if (!counts_ || connection_ == nullptr) return;
    kill_point("session-resume");
    auto& journal = account_.shard().journal;
    if (std::exchange(counts_->is_restored, false))
        counts_->outbox.renumber([&](const Outbox::Kept& kept) {
            if (!kept.entry) return true;
            journal.numbered(kept.entry, *this, kept.number);
            return journal.may_leave(*kept.entry, *this);
        });
    counts_->outbox.each_written([this](const Stanza& stanza) { connection_->write(stanza); });
}

void LocalSession::release() {
    auto& journal = account_.shard().journal;
    const auto may_leave = [&](const Entry& entry) { return journal.may_leave(entry, *this); };
    while (!ended_ && counts_ && may_speak()) {
        auto next = counts_->outbox.release(may_leave);
        if (!next) return;
        write(*next);
    }
}

std::vector<Stanza> LocalSession::take_kept() { return counts_ ? counts_->outbox.take_loose() : std::vector<Stanza>{}; }

// Its client begins to count when it hears that the session is on disk.
bool LocalSession::may_speak() const noexcept { return !is_durable() || counts_->is_on_disk; }

// --- what it sent, and what became of it

std::uint64_t LocalSession::accepted() const noexcept {
    if (!counts_) return received_;
    return counts_->origin->is_durable ? counts_->kept_accepted : counts_->accepted;
}

void SessionOrigin::settled(std::uint64_t number) noexcept {
    if (is_gone) return;
    auto* here = Shard::current();
    if (here == &home) {
        if (session != nullptr) session->settled(number);
    } else if (here != nullptr) {
        here->mail_settled(shared_from_this(), number);
    }
}

void LocalSession::settled(std::uint64_t number) noexcept {
    auto& counts = *counts_;
    if (number != counts.accepted + 1) {
        if (number > counts.accepted) counts.ahead.insert(std::ranges::upper_bound(counts.ahead, number), number);
        return;
    }
    auto next = counts.ahead.begin();
    while (++counts.accepted, next != counts.ahead.end() && *next == counts.accepted + 1) ++next;
    counts.ahead.erase(counts.ahead.begin(), next);
    if (counts.ahead.empty() && counts.ahead.capacity() > 0) counts.ahead = {};
    if (is_durable()) return account_.shard().journal.touch(*this);
    if (!std::exchange(counts.has_risen, true)) account_.shard().note_risen(counts.origin);
}

void LocalSession::tell_accepted() {
    counts_->has_risen = false;
    account_.shard().fire(Event::accepted, *this);
}

namespace {

/// What a client writes again the same way.
std::uint64_t mark(const Stanza& message, const Jid& to) {
    return text_hash(fmt::format("{}\n{}\n{}", to.text(), message.id(), message.body()));
}

}   // namespace

bool LocalSession::has_come_before(const Stanza& stanza) {
    if (!counts_ || !counts_->known) return false;
    auto& known = *counts_->known;
    bool is_known = false;
    if (stanza.is_message()) {
        const auto& to = stanza.to().empty() ? account_.jid() : stanza.to();   // RFC 6120 §10.3.1
        const auto at = std::ranges::find(known.marks, mark(stanza, to));
        is_known = at != known.marks.end();
        if (is_known) known.marks.erase(at);
    }
    if (received_ >= known.until || known.marks.empty()) counts_->known = nullptr;
    return is_known;
}

// --- what is kept of it

void LocalSession::may_have_changed() noexcept {
    if (!is_durable()) return;
    counts_->may_have_changed = true;
    account_.shard().journal.touch(*this);
}

SessionState LocalSession::state() const {
    SessionState state{
        since_, active_, priority_, presence_ ? presence_.unfold(jid_).str() : std::string{}, counts_->outbox.most(),
        {}};
    for (const auto& name : account_.shard().hooks.durable_slots)
        if (const auto* bytes = slots_.find(name.slot)) state.slots.emplace_back(name.slot, *bytes);
    return state;
}

void LocalSession::keep(JournalBatch& batch) {
    if (!is_durable()) return;
    auto& counts = *counts_;
    const auto acknowledged = counts.outbox.acknowledged();
    auto bytes = std::exchange(counts.may_have_changed, false) ? state().pack() : std::string{};
    const auto hash = bytes.empty() ? counts.state_hash : text_hash(bytes);
    const bool was_put = std::exchange(counts.is_put, true);
    if (hash != counts.state_hash || !was_put)
        batch.sessions.push_back(
            {account_.jid(),
             {counts.origin->device, std::string{jid_.resource()}, counts.accepted, acknowledged, std::move(bytes)}});
    else
        batch.counts.push_back({counts.origin->device, counts.accepted, acknowledged});
    counts.state_hash = hash;
    batch.told.push_back({counts.origin, counts.accepted});
}

void LocalSession::is_kept(std::uint64_t accepted_on_disk) {
    const bool is_first = !std::exchange(counts_->is_on_disk, true);
    if (accepted_on_disk <= counts_->kept_accepted && !is_first) return;
    counts_->origin->kept = counts_->kept_accepted = std::max(accepted_on_disk, counts_->kept_accepted);
    account_.shard().fire(Event::accepted, *this);
    if (is_first) release();
}

void LocalSession::was_not_kept() {
    counts_->is_put = false;
    counts_->may_have_changed = true;
    counts_->state_hash = 0;
    if (counts_->is_on_disk) return;
    counts_->origin->is_durable = false;   // nobody was told that it is; it does without
    account_.shard().fire(Event::accepted, *this);
    release();
}

bool LocalSession::restore(const KeptSession& kept, const std::vector<JournalEntry>& sent) {
    const auto state = SessionState::unpack(kept.state);
    if (!state) return false;
    auto origin = std::make_shared<SessionOrigin>(account_.shard(), *this, kept.device);
    origin->kept = kept.accepted;
    origin->is_durable = true;
    account_.shard().kernel.origins.add(origin);
    counts_ = std::make_unique<Counts>(state->max_kept, std::move(origin));
    received_ = counts_->accepted = counts_->kept_accepted = kept.accepted;
    counts_->outbox.restore(kept.acknowledged, {});
    counts_->is_restored = counts_->is_on_disk = true;
    since_ = state->since;
    active_ = state->active;
    priority_ = state->priority;
    if (auto presence = Stanza::parse(state->presence)) presence_ = KeptPresence{*presence};
    for (const auto& [name, bytes] : state->slots) slot(name) = bytes;
    if (sent.empty()) return true;
    counts_->known = std::make_unique<Counts::Known>();
    for (const auto& entry : sent) {
        counts_->known->until = std::max(counts_->known->until, entry.origin_number);
        if (const auto message = Stanza::parse(entry.stanza))
            counts_->known->marks.push_back(mark(*message, message->to()));
    }
    return true;
}

void LocalSession::take_over(const Pending& pending) {
    std::vector<Outbox::Kept> kept;
    for (const auto& entry : pending) {
        const auto* held = entry->find(*this);
        if (held == nullptr) continue;
        kept.push_back({held->number != 0 ? held->number : Outbox::unnumbered, entry, {}});
    }
    std::ranges::stable_sort(kept, {}, &Outbox::Kept::number);
    counts_->outbox.restore(counts_->outbox.acknowledged(), std::move(kept));
}

void LocalSession::forget_connection() noexcept {
    if (auto* connection = std::exchange(connection_, nullptr)) connection->release_session();
}

void LocalSession::end() {
    if (auto* c = std::exchange(connection_, nullptr)) {
        c->release_session();
        c->close_stream();
    }
    account_.shard().end_session(*this);
}

void LocalSession::arm(std::string_view timer, std::chrono::milliseconds in) {
    disarm(timer);
    auto& shard = account_.shard();
    const auto id = shard.after(in, [&shard, full = jid_, name = std::string{timer}] { shard.run_timer(full, name); });
    timers_ = std::make_unique<Timer>(Timer{std::string{timer}, id, std::move(timers_)});
}

void LocalSession::disarm(std::string_view timer) {
    auto* place = &timers_;
    while (*place && (*place)->name != timer) place = &(*place)->next;
    if (!*place) return;
    account_.shard().cancel((*place)->id);
    *place = std::move((*place)->next);
}

void LocalSession::cancel_timers() noexcept {
    for (; timers_; timers_ = std::move(timers_->next)) account_.shard().cancel(timers_->id);
}

}   // namespace tambo
