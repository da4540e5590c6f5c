#include "route/account.hpp"

#include <algorithm>

#include "shard/shard.hpp"

namespace tambo {

// --- the parts of the SDK that need no virtual call

const Jid& Session::bare_jid() const noexcept { return const_cast<Session*>(this)->account().jid(); }

Session* Account::find(std::string_view resource) noexcept {
    for (Session* s : sessions())
        if (s->jid().resource() == resource) return s;
    return nullptr;
}

const Contact* Account::contact(const Jid& bare) const noexcept {
    const auto all = contacts();
    const auto at = std::ranges::lower_bound(all, bare.bare_text(), {}, [](const Contact& c) { return c.jid.text(); });
    return at != all.end() && at->jid.text() == bare.bare_text() ? &*at : nullptr;
}

bool Account::may_see_presence(const Jid& who) const noexcept {
    if (who.bare_text() == jid().text()) return true;
    const auto* c = contact(who);
    return c != nullptr && c->from;
}

// --- account

LocalAccount::LocalAccount(Shard& shard, Jid jid) : shard_(shard), jid_(std::move(jid)) {}

LocalAccount::~LocalAccount() {
    for (Session* s : sessions_) delete static_cast<LocalSession*>(s);
    slots_.clear();
}

std::string& LocalAccount::slot(std::string_view name) { return slots_.at(name, shard_.slots); }

void LocalAccount::when_loaded(std::function<void(bool)> job) {
    if (state_ == State::loading)
        waiting_.push_back(std::move(job));
    else
        job(state_ == State::loaded);
}

void LocalAccount::loaded(StoreService::Front::Loaded data, bool exists) {
    for (auto& row : data.rows) rows_.put(shard_.tables.keep(row.table), row.key, std::move(row.value));
    journal = data.journal;
    exists_ = exists;
    state_ = State::loaded;
    shard_.fire(Event::loaded, *this);
    if (!data.sessions.empty() || !data.held.empty()) restore_sessions(data.sessions, std::move(data.held));
    for (auto& job : std::exchange(waiting_, {})) job(true);
}

void LocalAccount::restore_sessions(const std::vector<StoreService::Front::Loaded::Kept>& kept,
                                    std::vector<JournalEntry> held) {
    for (const auto& [session, sent] : kept) {
        const auto full = jid_.with_resource(session.resource);
        if (full && exists_ && find_local(full->resource()) == nullptr && add_session(*full).restore(session, sent))
            continue;
        shard_.kernel.log->warning("a session of {} cannot come back: what was kept of it cannot be read", jid_.text());
        shard_.journal.forget_device(session.device);
        auto* unreadable = full ? find_local(full->resource()) : nullptr;
        if (unreadable != nullptr && !unreadable->is_durable()) shard_.end_session(*unreadable);
    }
    shard_.journal.restore(*this, std::move(held));
    const std::vector<Session*> restored{sessions_.begin(), sessions_.end()};
    for (Session* s : restored) {
        auto& session = static_cast<LocalSession&>(*s);
        if (!shard_.fire(Event::restored, session).handled) shard_.end_session(session);
    }
}

void LocalAccount::load_failed() {
    state_ = State::failed;
    for (auto& job : std::exchange(waiting_, {})) job(false);
}

void LocalAccount::forget() noexcept {
    exists_ = false;
    rows_.clear();
    contacts_.clear();
    slots_.clear();
    journal = {};
}

LocalSession& LocalAccount::add_session(const Jid& full) {
    auto session = std::make_unique<LocalSession>(*this, full);
    sessions_.push_back(session.get());
    Figures::add(shard_.figures.sessions, 1);
    return *session.release();
}

std::unique_ptr<LocalSession> LocalAccount::remove_session(LocalSession& session) {
    sessions_.erase(std::ranges::find(sessions_, &session));
    Figures::add(shard_.figures.sessions, static_cast<std::uint64_t>(-1));
    return std::unique_ptr<LocalSession>{&session};
}

LocalSession* LocalAccount::find_local(std::string_view resource) noexcept {
    return static_cast<LocalSession*>(find(resource));
}

void LocalAccount::set_contact(const Contact& contact) {
    const auto at =
        std::ranges::lower_bound(contacts_, contact.jid.text(), {}, [](const Contact& c) { return c.jid.text(); });
    if (at != contacts_.end() && at->jid == contact.jid)
        *at = contact;
    else
        contacts_.insert(at, contact);
}

void LocalAccount::remove_contact(const Jid& bare) {
    std::erase_if(contacts_, [&](const Contact& c) { return c.jid.text() == bare.bare_text(); });
}

const std::string* LocalAccount::row(std::string_view table, std::string_view key) const noexcept {
    return rows_.find(table, key);
}

void LocalAccount::put_row(std::string_view table, std::string_view key, std::string value) {
    shard_.must_be_declared(table);
    shard_.store->put_row(std::string{table}, std::string{jid_.text()}, std::string{key}, value);
    rows_.put(shard_.tables.keep(table), key, std::move(value));
}

void LocalAccount::erase_row(std::string_view table, std::string_view key) {
    if (rows_.find(table, key) == nullptr) return;
    shard_.store->erase_row(std::string{table}, std::string{jid_.text()}, std::string{key});
    rows_.erase(table, key);   // `key` may lie in it
}

void LocalAccount::each_row(std::string_view table,
                            const std::function<void(std::string_view, const std::string&)>& see) const {
    rows_.each(table, see);
}

// --- delivery (RFC 6121 §8.5)

void LocalAccount::arrive(Stanza& stanza) {
    if (sessions_.empty()) last_used = shard_.steady();   // whose last session ends notes that
    dispatch(stanza);
    if (stanza.sequence() != 0) shard_.journal.settle(*this, stanza.sequence());
}

void LocalAccount::dispatch(Stanza& stanza) {
    const auto outcome = shard_.fire(Event::deliver, *this, &stanza);
    if (outcome.faulted) shard_.bounce(stanza, {Condition::internal_server_error, {}});
    if (outcome.handled || outcome.faulted) return;
    auto* addressee = stanza.to().is_full() ? find_local(stanza.to().resource()) : nullptr;
    if (stanza.is_message())
        arrive_message(stanza, addressee);
    else if (stanza.is_presence())
        arrive_presence(stanza, addressee);
    else if (stanza.is_iq())
        arrive_iq(stanza, addressee);
}

// RFC 6121 §8.5.2.1, §8.5.3.2.1 and table 1.
void LocalAccount::arrive_message(Stanza& stanza, LocalSession* addressee) {
    if (addressee != nullptr) return addressee->send(stanza);
    if (!exists_) return shard_.bounce(stanza, {Condition::service_unavailable, {}});
    const auto type = stanza.type();
    if (type == "error") return;
    if (type == "groupchat") return shard_.bounce(stanza, {Condition::service_unavailable, {}});
    if (type == "headline" && stanza.to().is_full()) return;
    if (deliver_to_all(stanza)) return;
    if (type == "headline") return;
    undelivered(stanza);
}

bool LocalAccount::deliver_to_all(Stanza& stanza) {
    bool delivered = false;
    const std::vector<Session*> now{sessions_.begin(), sessions_.end()};   // a handler may end one of them
    for (Session* s : now) {
        if (std::ranges::find(sessions_, s) == sessions_.end() || !s->is_available() || s->priority() < 0) continue;
        s->send(stanza);
        delivered = true;
    }
    return delivered;
}

void LocalAccount::send(Stanza stanza) {
    const auto outcome = shard_.fire(Event::outgoing, *this, &stanza);
    // Who was to say whether it may leave has failed: it does not.
    if (outcome.faulted) return shard_.bounce(stanza, {Condition::internal_server_error, {}});
    if (!outcome.handled) shard_.route_later(std::move(stanza));
}

void LocalAccount::deliver_bare(Stanza& stanza) { arrive_message(stanza, nullptr); }

void LocalAccount::undelivered(Stanza& stanza) {
    const auto outcome = shard_.fire(Event::undelivered, *this, &stanza);
    const auto why = outcome.faulted ? Condition::internal_server_error : Condition::service_unavailable;
    if (!outcome.handled) shard_.bounce(stanza, {why, {}});
}

// RFC 6121 §8.5.2.2, §8.5.3.2.2. Subscriptions and probes are the business of modules: they handle them in `deliver`.
void LocalAccount::arrive_presence(Stanza& stanza, LocalSession* addressee) {
    if (stanza.to().is_full()) {
        if (addressee != nullptr) addressee->send(stanza);
        return;
    }
    const auto type = stanza.type();
    if (!type.empty() && type != "unavailable") return;
    const std::vector<Session*> now{sessions_.begin(), sessions_.end()};
    for (Session* s : now)
        if (std::ranges::find(sessions_, s) != sessions_.end() && s->is_available()) s->send(stanza);
}

// RFC 6121 §8.5.2.3, §8.5.3.2.3.
void LocalAccount::arrive_iq(Stanza& stanza, LocalSession* addressee) {
    if (addressee != nullptr) return addressee->send(stanza);
    if (stanza.to().is_full()) return shard_.bounce(stanza, {Condition::service_unavailable, {}});
    shard_.answer(stanza, nullptr, this);
}

}   // namespace tambo
