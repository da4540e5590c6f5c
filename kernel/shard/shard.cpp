#include "shard/shard.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>

#include "module/failure.hpp"
#include "module/instance.hpp"
#include "store/signals_blocked.hpp"
#include "stream/xml_codec.hpp"

namespace tambo {

namespace {

constexpr std::size_t read_buffer_bytes = std::size_t{64} << 10;
constexpr std::size_t buffer_bytes = std::size_t{4} << 10;
constexpr std::size_t spare_buffers = 256;
constexpr Duration account_memory{30'000};   // how long an account without sessions stays in memory

thread_local Shard* here = nullptr;

}   // namespace

Shard::Shard(Kernel& k, unsigned i, asio::io_context* loop)
    : kernel(k),
      index(i),
      own_io_(loop == nullptr ? std::make_unique<asio::io_context>(1) : nullptr),
      io(loop == nullptr ? *own_io_ : *loop),
      xml(make_xml_codec()),
      store(k.store.front([this](std::function<void()> job) { post(std::move(job)); })),
      journal(*this),
      outgoing_(1),
      clock_timer_(io) {
    read_buffer.resize(read_buffer_bytes);
    store->restrict_to([this](std::string_view table) { must_be_declared(table); });
    wires.push_back({.name = "xml", .codec = xml.get()});
}

Shard::~Shard() {
    join();
    if (here == this) here = nullptr;
    accounts_.clear();   // sessions that outlive the process have timers and entries still
}

void Shard::be_here() noexcept {
    runs_on_ = std::this_thread::get_id();
    here = this;
}

Shard* Shard::current() noexcept { return here; }

void Shard::start() {
    outgoing_.resize(kernel.shards.size());
    work_ = std::make_unique<asio::executor_work_guard<asio::io_context::executor_type>>(io.get_executor());
    be_here();   // whoever starts a loop of its own is on it until it says otherwise
    if (!own_io_) return arm_clock();
    const SignalsBlocked during_start;
    thread_ = std::thread{[this] {
        use_signal_stack();
        on_this_thread.shard = static_cast<int>(index);
        be_here();
        arm_clock();
        io.run();
    }};
}

void Shard::join() {
    if (thread_.joinable()) thread_.join();
}

void Shard::shut_down() {
    shutting_down_ = true;
    const auto all = connections_;
    turn([&] {
        // A session that comes back with the next start is left as if the connection had broken: a client that is told
        // goodbye would not resume (XEP-0198 §5).
        std::vector<LocalSession*> leaving;
        each_session([&](LocalSession& s) {
            if (!s.is_durable()) return leaving.push_back(&s);
            auto* connection = s.connection();
            s.forget_connection();
            if (connection != nullptr) connection->drop();
        });
        for (const auto& c : all) c->close_stream(StreamCondition::system_shutdown);
        for (auto* s : leaving) end_session(*s);
        journal.flush_now();
    });
    post([this] {   // after the flush of that turn
        const auto rest = connections_;
        for (const auto& c : rest) c->drop();
        work_.reset();
        clock_timer_.cancel();
        poller.stop();
    });
}

void Shard::drain() {
    io.restart();
    io.poll();
}

void Shard::post(std::function<void()> job) {
    asio::post(io, [this, job = std::move(job)]() mutable { turn(job); });
}

// --- turns

void Shard::work_off() {
    if (working_off_) return;
    working_off_ = true;
    while (!to_route_.empty()) {
        Stanza stanza = std::move(to_route_.front());
        to_route_.pop_front();
        route(stanza);
    }
    working_off_ = false;
}

void Shard::schedule_end() {
    if (end_scheduled_) return;
    if (dirty_.empty() && graveyard_.empty() && risen_.empty() && shown.empty() &&
        std::ranges::all_of(outgoing_, &Mail::empty))
        return;
    end_scheduled_ = true;
    asio::post(io, [this] { end_turn(); });
}

// What the ready events of one round produced leaves together: one write per connection, one wake per shard.
void Shard::end_turn() {
    end_scheduled_ = false;
    now_.reset();
    shown.clear();
    graveyard_.clear();
    tell_risen();
    send_mail();
    auto now = std::exchange(dirty_, {});
    for (const auto& c : now) c->end_turn();
    now.clear();
    if (dirty_.empty()) dirty_ = std::move(now);   // keeps its capacity
    work_off();
    schedule_end();
}

void Shard::send_mail() {
    for (std::size_t to = 0; to < outgoing_.size(); ++to) {
        auto& mail = outgoing_[to];
        if (mail.empty()) continue;
        auto& other = *kernel.shards[to];
        bool was_empty = false;
        {
            const std::lock_guard lock{other.mail_lock_};
            was_empty = other.mailbox_.empty();
            std::ranges::move(mail.stanzas, std::back_inserter(other.mailbox_.stanzas));
            std::ranges::move(mail.settled, std::back_inserter(other.mailbox_.settled));
        }
        mail.stanzas.clear();
        mail.settled.clear();
        if (was_empty) other.post([&other] { other.take_mail(); });
    }
}

void Shard::mail(Shard& to, Stanza stanza) { outgoing_[to.index].stanzas.push_back(std::move(stanza)); }

void Shard::mail_settled(std::shared_ptr<SessionOrigin> origin, std::uint64_t number) {
    outgoing_[origin->home.index].settled.push_back({std::move(origin), number});
    schedule_end();
}

void Shard::note_risen(std::shared_ptr<SessionOrigin> origin) noexcept {
    risen_.push_back(std::move(origin));
    schedule_end();
}

void Shard::tell_risen() {
    for (const auto& origin : std::exchange(risen_, {}))
        if (origin->session != nullptr) origin->session->tell_accepted();
}

void Shard::take_mail() {
    Mail mail;
    {
        const std::lock_guard lock{mail_lock_};
        std::swap(mail, mailbox_);
    }
    for (const auto& [origin, number] : mail.settled) origin->settled(number);
    for (auto& stanza : mail.stanzas) arrive(stanza);
}

std::string Shard::take_buffer() {
    if (spare_buffers_.empty()) {
        std::string fresh;
        fresh.reserve(buffer_bytes);
        return fresh;
    }
    auto buffer = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
    return buffer;
}

void Shard::give_buffer(std::string buffer) {
    buffer.clear();
    if (buffer.capacity() < buffer_bytes || buffer.capacity() > 16 * buffer_bytes ||
        spare_buffers_.size() >= spare_buffers)
        return;
    spare_buffers_.push_back(std::move(buffer));
}

// --- time

Wheel::Id Shard::after(Duration wait, std::function<void()> job) {
    const auto id = wheel_.add(steady() + wait, std::move(job));
    if (is_here()) arm_clock();
    return id;
}

void Shard::arm_clock() {
    if (kernel.manual_timers || shutting_down_) return;
    const auto next = wheel_.next();
    if (next >= armed_for_) return;
    armed_for_ = next;
    const auto wait = std::max(next - steady(), Duration{0});
    clock_timer_.expires_after(std::min<Duration>(wait, std::chrono::hours{1}));
    clock_timer_.async_wait([this](boost::system::error_code ec) {
        if (ec) return;
        armed_for_ = Duration::max();
        advance();
    });
}

void Shard::advance() {
    turn([this] { wheel_.advance(steady()); });
    arm_clock();
}

void Shard::introduce(Instance& newcomer) {
    accounts_.each([&](LocalAccount& account) {
        if (account.is_loaded()) newcomer.wires().fire(AccountEvent::loaded, account, nullptr);
    });
}

void Shard::must_be_declared(std::string_view table) const {
    if (!hooks.keeps(table))
        throw std::logic_error(
            fmt::format("table {} is written, but no module declares it: w.keeps(\"{}\", …)", table, table));
}

void Shard::count_bytes(Wire& wire, std::size_t in, std::size_t out) {
    wire.figures.bytes_in += in;
    wire.figures.bytes_out += out;
    Figures::add(figures.bytes_in, in);
    Figures::add(figures.bytes_out, out);
}

// Two posts: what was ready while it stood still is taken from the system between them.
void Shard::count_waiting(std::chrono::steady_clock::time_point since,
                          std::function<void(const std::vector<double>&)> say) {
    const auto mine = std::make_shared<Standstill>(Standstill{since, {}});
    standstill_ = mine;
    asio::post(io, [this, mine, say = std::move(say)]() mutable {
        asio::post(io, [this, mine, say = std::move(say)] {
            if (standstill_ == mine) standstill_.reset();
            say(mine->milliseconds);
        });
    });
}

void Shard::note_wait() {
    constexpr std::size_t most = 100'000;
    if (standstill_->milliseconds.size() >= most) return;
    standstill_->milliseconds.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - standstill_->since).count());
}

void Shard::run_timer(const Jid& full, const std::string& name) {
    auto* session = find_session(full);
    const auto* timer = hooks.find_timer(name);
    if (session == nullptr || timer == nullptr) return;
    const Breadcrumb here{*timer->owner};
    try {
        timer->call(timer->self, *session);
    } catch (const std::exception& e) {
        timer->owner->fault("timer " + name, e.what());
    } catch (...) {
        timer->owner->fault("timer " + name, unknown_exception);
    }
}

// --- connections

void Shard::adopt(std::shared_ptr<Connection> connection) {
    connection->place = connections_.size();
    connections_.push_back(std::move(connection));
}

void Shard::each_connection(const std::function<void(const std::shared_ptr<Connection>&)>& see) const {
    for (const auto& connection : connections_) see(connection);
}

void Shard::forget(Connection& connection) {
    const auto place = connection.place;
    if (place >= connections_.size() || connections_[place].get() != &connection) return;
    connections_.back()->place = place;
    std::swap(connections_[place], connections_.back());
    const auto gone = std::move(connections_.back());   // last: its end may say something to us
    connections_.pop_back();
}

void Shard::touch(Connection& connection) { dirty_.push_back(connection.shared_from_this()); }

// --- accounts

namespace {

// The auth plugin's coroutine is run as its own; ours only waits for it.
Task<void> ask_exists(AuthProvider& auth, Jid bare, std::function<void(Result<bool>)> answer) {
    auto asking = auth.exists(std::move(bare));   // named: g++ 12 destroys some temporaries of co_await twice
    auto known = co_await std::move(asking);
    answer(std::move(known));
}

}   // namespace

LocalAccount& Shard::account(const Jid& bare) {
    if (auto* known = accounts_.find(bare)) return *known;
    auto& account = accounts_.add(std::make_unique<LocalAccount>(*this, bare.bare()));
    Figures::add(figures.accounts, 1);
    account.last_used = steady();
    load(account);
    return account;
}

// Rows and "does it exist" are asked for at once; the account is loaded when both are known.
void Shard::load(LocalAccount& account) {
    struct Pending {
        LocalAccount* account;
        std::optional<StoreService::Front::Loaded> data;
        std::optional<bool> exists;
        bool failed = false;
        unsigned missing = 2;
        void settle(Shard& shard) {
            if (--missing != 0) return;
            if (failed)
                shard.give_up(*account);
            else
                account->loaded(std::move(*data), *exists);
        }
    };
    auto pending = std::make_shared<Pending>(Pending{&account, {}, {}, false, 2});
    store->load(std::string{account.jid().text()}, [this, pending](Result<StoreService::Front::Loaded> data) {
        if (data)
            pending->data = std::move(*data);
        else
            pending->failed = true;
        pending->settle(*this);
    });
    const auto known = [this, pending](Result<bool> exists) {
        if (exists)
            pending->exists = *exists;
        else
            pending->failed = true;
        pending->settle(*this);
    };
    if (auth == nullptr) return known(lacking.empty() ? Result<bool>{false} : fail(Condition::resource_constraint));
    auto done = std::make_shared<bool>(false);
    auth_owner->run(ask_exists(*auth, account.jid(),
                               [known, done](Result<bool> e) {
                                   *done = true;
                                   known(std::move(e));
                               }),
                    [known, done](bool) {
                        if (!*done) known(fail(Condition::internal_server_error));
                    });
}

void Shard::give_up(LocalAccount& account) {
    kernel.log->warning("account {}: could not be loaded from the store; who asked is told to try later",
                        account.jid().text());
    account.load_failed();
    if (account.pins == 0) {
        Figures::add(figures.accounts, static_cast<std::uint64_t>(-1));
        accounts_.erase(account);
    }
}

// What is remembered of it says that there is no such account, because somebody asked before.
void Shard::account_made(const Jid& bare) {
    if (auto* known = find_account(bare)) known->set_exists(true);
    if (!hooks.hears(Event::created)) return;
    auto& fresh = account(bare);
    ++fresh.pins;
    fresh.when_loaded([this, &fresh](bool loaded) {
        --fresh.pins;
        if (!loaded) return;
        fresh.set_exists(true);   // it may have been loading since before
        fire(Event::created, fresh);
    });
}

LocalAccount* Shard::find_account(const Jid& jid) noexcept {
    auto* account = accounts_.find(jid);
    return account == nullptr || !account->is_loaded() ? nullptr : account;
}

LocalSession* Shard::find_session(const Jid& full) noexcept {
    auto* account = find_account(full);
    return account == nullptr ? nullptr : account->find_local(full.resource());
}

void Shard::each_session(const std::function<void(LocalSession&)>& see) {
    accounts_.each([&](LocalAccount& account) {
        for (Session* s : account.sessions()) see(static_cast<LocalSession&>(*s));
    });
}

void Shard::restore_sessions(std::string after) {
    constexpr std::size_t page = 256;
    store->session_owners(std::move(after), page, [this](const Result<std::vector<std::string>>& owners) {
        if (!owners) {
            --kernel.unrestored;
            return;
        }
        for (const auto& owner : *owners) {
            const auto jid = Jid::parse(owner);
            if (!jid) continue;
            ++kernel.unrestored;
            auto& home = kernel.home(*jid);
            home.post(
                [&home, bare = *jid] { home.account(bare).when_loaded([&home](bool) { --home.kernel.unrestored; }); });
        }
        if (owners->size() == page) return restore_sessions(owners->back());
        --kernel.unrestored;
    });
}

void Shard::detach(LocalSession& session) {
    if (session.has_ended()) return;
    session.may_have_changed();
    if (shutting_down_ || !fire(Event::detached, session).handled) end_session(session);
}

void Shard::end_session(LocalSession& session) {
    if (!session.begin_end()) return;   // last words may go wrong, and end it again
    if (auto* connection = session.connection()) {
        session.attach(nullptr);
        connection->release_session();
        connection->close_stream();
    }
    fire(Event::unbound, session);
    session.mark_ended();
    session.cancel_timers();
    journal.give_back(session);
    journal.ended(session);
    auto& account = session.local();
    account.last_used = steady();
    graveyard_.push_back(account.remove_session(session));
    schedule_end();
}

void Shard::evict_idle_accounts() {
    const auto now = steady();
    accounts_.erase_if([&](const LocalAccount& account) {
        const bool is_idle = account.may_be_evicted() && now - account.last_used > account_memory;
        if (is_idle) Figures::add(figures.accounts, static_cast<std::uint64_t>(-1));
        return is_idle;
    });
}

namespace {

Task<void> forget_credentials(AuthProvider& auth, Jid bare, std::function<void(Result<Nothing>)> done) {
    auto removing = auth.remove(std::move(bare));
    auto gone = co_await std::move(removing);
    done(std::move(gone));
}

}   // namespace

// XEP-0077 §3.2 and every other way to go: credentials first, so that nobody can come back while the rest is erased.
void Shard::remove_account(const Jid& bare, std::function<void(Result<Nothing>)> done) {
    if (auth == nullptr) return done(fail(Condition::service_unavailable, "no auth plugin is loaded"));
    auth_owner->run(forget_credentials(*auth, bare, [this, bare, done = std::move(done)](Result<Nothing> gone) {
        if (!gone) return done(std::move(gone));
        auto& home = account(bare);
        ++home.pins;
        home.when_loaded([this, bare, done, &home](bool) {
            --home.pins;
            const std::vector<Session*> sessions{home.sessions().begin(), home.sessions().end()};
            fire(Event::removed, home);
            for (Session* s : sessions) s->close(StreamCondition::not_authorized, "the account was removed", {});
            home.forget();
            journal.forget(home);
            (void)store->erase_owner(std::string{bare.text()});
            store->when_kept([this, bare, done](const std::string& error) {
                const auto* known = accounts_.find(bare);
                if (known != nullptr && known->may_be_evicted()) {
                    Figures::add(figures.accounts, static_cast<std::uint64_t>(-1));
                    accounts_.erase(*known);
                }
                if (error.empty())
                    done(Nothing{});
                else
                    done(fail(Condition::resource_constraint, error));
            });
        });
    }));
}

}   // namespace tambo
