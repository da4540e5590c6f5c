#include "route/account.hpp"

#include <algorithm>

#include "net/connection.hpp"
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

// --- slots

void SlotCensus::add(std::string_view name, std::ptrdiff_t n) {
    auto at = std::ranges::find(counts_, name, [](const auto& c) -> std::string_view { return c.first; });
    if (at == counts_.end()) at = counts_.emplace(at, std::string{name}, 0);
    at->second += static_cast<std::uint64_t>(n);
}

std::uint64_t SlotCensus::count(std::string_view name) const noexcept {
    const auto at = std::ranges::find(counts_, name, [](const auto& c) -> std::string_view { return c.first; });
    return at == counts_.end() ? 0 : at->second;
}

std::string& Slots::at(std::string_view name, SlotCensus* census) {
    for (auto& [n, bytes] : slots_)
        if (n == name) return *bytes;
    if (census != nullptr) census->add(name, 1);
    return *slots_.emplace_back(std::string{name}, std::make_unique<std::string>()).second;
}

void Slots::leave(SlotCensus& census) const {
    for (const auto& [name, bytes] : slots_) census.add(name, -1);
}

void Slots::clear(SlotCensus& census) {
    leave(census);
    slots_.clear();
}

const std::string* Slots::find(std::string_view name) const noexcept {
    for (const auto& [n, bytes] : slots_)
        if (n == name) return bytes.get();
    return nullptr;
}

// --- session

LocalSession::LocalSession(LocalAccount& account, Jid jid)
    : account_(account), jid_(std::move(jid)), since_(account.shard().kernel.clock->now()), active_(since_) {}

LocalSession::~LocalSession() {
    cancel_timers();
    if (!ended_) slots_.leave(account_.shard().slots);
}

void LocalSession::mark_ended() {
    if (!std::exchange(ended_, true)) slots_.leave(account_.shard().slots);
}

std::string& LocalSession::slot(std::string_view name) {
    return slots_.at(name, ended_ ? nullptr : &account_.shard().slots);
}

Account& LocalSession::account() noexcept { return account_; }

Link LocalSession::link() const noexcept {
    if (connection_ == nullptr) return {};
    return {true, connection_->is_secure(), connection_->address(), connection_->codec_name()};
}

void LocalSession::set_available(const Stanza& presence, int priority) {
    const bool was_available = is_available();
    presence_ = std::make_unique<Stanza>(presence);
    priority_ = priority;
    if (!was_available) {
        Stanza initial = presence;   // handlers may look at it while the kept one changes
        account_.shard().fire(Event::online, *this, &initial);
    }
}

void LocalSession::set_unavailable(Stanza& goodbye) {
    if (!is_available()) return;
    presence_.reset();
    priority_ = 0;
    account_.shard().fire(Event::offline, *this, &goodbye);
}

void LocalSession::send(Stanza& stanza) {
    auto& shard = account_.shard();
    if (ended_ || shard.fire(Event::stanza_out, *this, &stanza).handled) return;
    if (kept_) {
        std::string xml;
        stanza.write(xml);
        kept_->push_back(std::move(xml));
    }
    if (connection_ != nullptr) connection_->write(stanza);
    ++sent_;
    shard.figures.out.count(stanza);
    shard.fire(Event::sent, *this, &stanza);
    // A client that never acknowledges costs itself its session, not the server its memory.
    if (kept_ && kept_->size() > max_kept_ && !ended_)
        close(StreamCondition::policy_violation, "too many stanzas without acknowledgement", {});
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

void LocalSession::keep_sent(std::size_t max_kept) {
    if (!kept_) kept_ = std::make_unique<std::deque<std::string>>();
    max_kept_ = max_kept;
}

void LocalSession::acknowledge(std::size_t oldest) {
    if (!kept_) return;
    kept_->erase(kept_->begin(), kept_->begin() + static_cast<std::ptrdiff_t>(std::min(oldest, kept_->size())));
    if (kept_->empty()) kept_->shrink_to_fit();
}

void LocalSession::resend_kept() {
    if (!kept_ || connection_ == nullptr) return;
    for (const auto& xml : *kept_) {
        if (const auto stanza = Stanza::parse(xml)) connection_->write(*stanza);
    }
}

std::vector<Stanza> LocalSession::take_kept() {
    std::vector<Stanza> taken;
    if (!kept_) return taken;
    for (const auto& xml : *kept_) {
        if (auto stanza = Stanza::parse(xml)) taken.push_back(std::move(*stanza));
    }
    kept_->clear();
    return taken;
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
    timers_.emplace_back(std::string{timer}, id);
}

void LocalSession::disarm(std::string_view timer) {
    std::erase_if(timers_, [&](const auto& t) {
        if (t.first != timer) return false;
        account_.shard().cancel(t.second);
        return true;
    });
}

void LocalSession::cancel_timers() noexcept {
    for (const auto& [name, id] : timers_) account_.shard().cancel(id);
    timers_.clear();
}

// --- account

LocalAccount::LocalAccount(Shard& shard, Jid jid) : shard_(shard), jid_(std::move(jid)) {}

LocalAccount::~LocalAccount() {
    for (Session* s : sessions_) delete static_cast<LocalSession*>(s);
    slots_.clear(shard_.slots);
}

std::string& LocalAccount::slot(std::string_view name) { return slots_.at(name, &shard_.slots); }

void LocalAccount::when_loaded(std::function<void(bool)> job) {
    if (state_ == State::loading)
        waiting_.push_back(std::move(job));
    else
        job(state_ == State::loaded);
}

void LocalAccount::loaded(StoreService::Front::Loaded data, bool exists) {
    for (auto& row : data.rows) rows_[std::move(row.table)].insert_or_assign(std::move(row.key), std::move(row.value));
    journal = data.journal;
    exists_ = exists;
    state_ = State::loaded;
    shard_.fire(Event::loaded, *this);
    for (auto& job : std::exchange(waiting_, {})) job(true);
}

void LocalAccount::load_failed() {
    state_ = State::failed;
    for (auto& job : std::exchange(waiting_, {})) job(false);
}

void LocalAccount::forget() noexcept {
    exists_ = false;
    rows_.clear();
    contacts_.clear();
    slots_.clear(shard_.slots);
    journal = {};
}

LocalSession& LocalAccount::add_session(const Jid& full) {
    auto session = std::make_unique<LocalSession>(*this, full);
    sessions_.push_back(session.get());
    Figures::add(shard_.figures.sessions, 1);
    return *session.release();
}

std::unique_ptr<LocalSession> LocalAccount::remove_session(LocalSession& session) {
    std::erase(sessions_, &session);
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
    const auto t = rows_.find(table);
    if (t == rows_.end()) return nullptr;
    const auto r = t->second.find(key);
    return r == t->second.end() ? nullptr : &r->second;
}

void LocalAccount::put_row(std::string_view table, std::string_view key, std::string value) {
    shard_.must_be_declared(table);
    auto t = rows_.find(table);
    if (t == rows_.end()) t = rows_.emplace(std::string{table}, Table{}).first;
    shard_.store->put_row(std::string{table}, std::string{jid_.text()}, std::string{key}, value);
    t->second.insert_or_assign(std::string{key}, std::move(value));
}

void LocalAccount::erase_row(std::string_view table, std::string_view key) {
    const auto t = rows_.find(table);
    if (t == rows_.end()) return;
    const auto r = t->second.find(key);
    if (r == t->second.end()) return;
    t->second.erase(r);
    shard_.store->erase_row(std::string{table}, std::string{jid_.text()}, std::string{key});
    if (t->second.empty()) rows_.erase(t);
}

void LocalAccount::each_row(std::string_view table,
                            const std::function<void(std::string_view, const std::string&)>& see) const {
    const auto t = rows_.find(table);
    if (t == rows_.end()) return;
    for (const auto& [key, value] : t->second) see(key, value);
}

// --- delivery (RFC 6121 §8.5)

void LocalAccount::arrive(Stanza& stanza) {
    last_used = shard_.steady();
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
    const std::vector<Session*> now{sessions_};   // a handler may end one of them
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
    const std::vector<Session*> now{sessions_};
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
