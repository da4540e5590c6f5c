#include "module/instance.hpp"

#include <boost/asio/post.hpp>

#include "module/construction.hpp"
#include "module/failure.hpp"
#include "module/giving.hpp"
#include "route/account.hpp"
#include "server/kernel.hpp"
#include "shard/shard.hpp"

namespace tambo {

Module::Module() : host_(*Construction::current().host) {}
Module::~Module() = default;

// --- breadcrumb

Breadcrumb::Breadcrumb(Instance& instance) noexcept
    : shard_(instance.home()),
      outer_instance_(std::exchange(shard_.running, &instance)),
      crumb_(instance.crumb()),
      outer_(shard_.crumb.load(std::memory_order_relaxed)),
      measured_(shard_.meter.is_on()) {
    if (outer_ == nullptr)
        shard_.entries.store(shard_.entries.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    shard_.crumb.store(instance.crumb(), std::memory_order_relaxed);
    if (measured_) outer_cost_ = shard_.meter.enter(&instance.cost());
}

Breadcrumb::~Breadcrumb() {
    shard_.running = outer_instance_;
    shard_.crumb.store(outer_, std::memory_order_relaxed);
    if (measured_) shard_.meter.leave(outer_cost_);
}

void* detail::running() noexcept {
    auto* shard = Shard::current();
    return shard == nullptr ? nullptr : shard->running;
}

void detail::go_on(void* whose, std::coroutine_handle<> waiter) {
    if (whose == nullptr) return waiter.resume();
    const Breadcrumb here{*static_cast<Instance*>(whose)};   // it outlives its tasks
    waiter.resume();
}

// --- tasks

// The kernel's own coroutine around a module's task: it destroys itself when the task ended, or is destroyed where it
// waits.
struct Instance::Root {
    struct promise_type {
        Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }   // impossible: drive() catches everything
    };
    std::coroutine_handle<promise_type> handle;
};

Instance::Root Instance::drive(Task<void> task, std::uint64_t id, Done done, Errand errand) {
    bool well = false;
    {
        auto inner = std::move(task);   // its frame, the module's code, is gone before anybody hears that it ended
        try {
            co_await std::move(inner);
            well = true;
        } catch (const std::exception& e) {
            fault(errand.where, e.what(), errand.stanza.get());
        } catch (...) {
            fault(errand.where, unknown_exception, errand.stanza.get());
        }
    }
    tasks_.erase(id);
    if (done) done(well);
}

std::uint64_t Instance::run(Task<void> task, Done done, Errand errand) {
    const auto id = next_task_++;
    const auto root = drive(std::move(task), id, std::move(done), std::move(errand));
    tasks_.emplace(id, root.handle);
    const Breadcrumb here{*this};
    root.handle.resume();
    return id;
}

void Instance::stop(std::uint64_t id) {
    const auto at = tasks_.find(id);
    if (at == tasks_.end()) return;
    const auto frame = at->second;
    tasks_.erase(at);
    frame.destroy();
}

void Instance::cancel() {
    is_given_up_ = true;
    while (!tasks_.empty()) stop(tasks_.begin()->first);
}

// --- life

Instance::Instance(std::shared_ptr<Image> image, Shard& shard, const Config& config, std::vector<OptionInfo>& declared)
    : image_(std::move(image)),
      shard_(shard),
      name_(image_->descriptor().name),
      crumb_(shard.kernel.lasting_name(name_)),
      log_(shard.kernel.logger.named(name_)),
      cost_(shard.kernel.board.cost(name_, shard.index)) {
    Construction construction{this, config, "module " + name_, declared};
    std::string why;
    try {
        module_ = image_->create();
        module_->wire(*this);
        slots_ = std::move(construction.slots);
        for (const auto& slot : slots_)
            if (slot.is_durable) wires_.durable_slots.push_back({slot.name, this});
        return;
    } catch (const ConfigError& e) {
        why = e.what();   // keep the text only: the exception's type may live in the module
    } catch (const std::exception& e) {
        why = e.what();
    } catch (...) {
        why = "unknown exception";
    }
    if (module_ != nullptr) image_->destroy(module_);
    throw std::runtime_error(why);
}

Instance::~Instance() {
    const ThreadCrumb here{crumb_};
    cancel();
    if (module_ != nullptr) image_->destroy(module_);
    store_factory_ = {};   // module code as well
}

std::string Instance::holds() const {
    std::string text;
    const auto add = [&text](std::uint64_t n, std::string_view what) {
        if (n != 0) text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", n, what, n == 1 ? "" : "s");
    };
    add(tasks_.size(), "task");
    add(running_, "closure");
    return text;
}

Instance::Saved Instance::save() const {
    const ThreadCrumb here{crumb_};
    return {image_->descriptor().state_version, module_->save()};
}

std::string Instance::take_over(Saved saved) {
    if (auto why = objection(); !why.empty()) return why;
    const auto mine = image_->descriptor().state_version;
    const auto shown = [&] { return fmt::format("state version {} (this build's is {})", saved.version, mine); };
    if (saved.version > mine) return fmt::format("{} is newer than it can read", shown());
    const ThreadCrumb here{crumb_};
    const bool taken =
        saved.version == mine ? module_->load(saved.state) : module_->upgrade(saved.version, saved.state);
    if (!taken) return fmt::format("it can't read {}", shown());
    last_good_ = std::move(saved);
    return {};
}

void Instance::remember() noexcept {
    if (std::exchange(faults_remembered_, faults()) != faults()) return;
    const Breadcrumb here{*this};
    const auto why = text_of_failure([this] {
        last_good_ = save();
        return std::string{};
    });
    if (!why.empty()) fault("save", why);
}

void Instance::go_live() {
    live_ = true;
    std::erase(shard_.lacking, name_);
    if (!last_good_) remember();
    shard_.hooks.merge(wires_);
    for (auto& codec : codecs_) shard_.set_codec(*codec, *this);
    if (provided_auth_ != nullptr) {
        shard_.auth = provided_auth_;
        shard_.auth_owner = this;
    }
    auto before = shard_.ticks_left.extract(name_);
    for (std::size_t i = 0; i < ticks_.size(); ++i) {
        const auto left = before.empty() || i >= before.mapped().size() ? TickLeft{} : before.mapped()[i];
        const bool goes_on = left.interval == ticks_[i].interval && left.due > shard_.steady();
        arm(ticks_[i], goes_on ? left.due - shard_.steady() : ticks_[i].interval);
    }
}

void Instance::leave() {
    if (std::exchange(live_, false) && is_required()) shard_.lacking.push_back(name_);
    shard_.hooks.remove(this);
    if (shard_.auth_owner == this) {
        shard_.auth = nullptr;
        shard_.auth_owner = nullptr;
    }
    std::vector<TickLeft> left;
    for (auto& tick : ticks_) {
        shard_.cancel(std::exchange(tick.armed, 0));
        left.push_back({tick.interval, tick.due});
    }
    // So that who is swapped more often than it ticks does tick.
    if (!left.empty()) shard_.ticks_left.insert_or_assign(name_, std::move(left));
    // Once it is known whether a newer version speaks them: until then its codecs must stay.
    if (!codecs_.empty() && shard_.kernel.running)
        defer([this] {
            if (!live_) shard_.withdraw_codecs(*this);
        });
}

std::string Instance::objection() const {
    for (const auto& codec : codecs_)
        if (auto why = shard_.objection_to(*codec); !why.empty()) return why;
    return {};
}

void Instance::arm(Tick& tick, Duration wait) {
    tick.due = shard_.steady() + wait;
    tick.armed = shard_.after(wait, [this, &tick] {
        const Breadcrumb here{*this};
        try {
            tick.call(tick.self);
        } catch (const std::exception& e) {
            fault("a tick", e.what());
        } catch (...) {
            fault("a tick", unknown_exception);
        }
        if (live_) arm(tick, tick.interval);
    });
}

void Instance::fault(std::string_view where, std::string_view why, const Stanza* stanza) noexcept {
    const auto count = faults_.fetch_add(1, std::memory_order_relaxed) + 1;
    cost_.faults.fetch_add(1, std::memory_order_relaxed);
    if (live_)
        shard_.kernel.desk.tell(
            {.module = name_, .generation = image_->generation(), .shard = shard_.index, .when = shard_.steady()});
    // Once per cause would be best; a fault in a busy handler must at least not drown the log.
    if (count > 10 && count % 1000 != 0) return;
    constexpr std::size_t longest_id = 64;
    const auto about =
        stanza == nullptr ? std::string{} : fmt::format(" (stanza {})", stanza->id().substr(0, longest_id));
    log_->error("fault {} on shard {}, in {}{}: {}; everything else goes on", count, shard_.index, where, about, why);
}

// --- wiring

void Instance::add(SessionEvent event, int priority, void* self, SessionThunk thunk) {
    wires_.on_session[static_cast<std::size_t>(event)].push_back({priority, self, thunk, this});
}
void Instance::add(AccountEvent event, int priority, void* self, AccountThunk thunk) {
    wires_.on_account[static_cast<std::size_t>(event)].push_back({priority, self, thunk, this});
}
void Instance::add_iq(std::string_view space, std::string_view name, Scope scope, void* self, IqThunk call,
                      IqTaskThunk task) {
    wires_.on_iq.push_back({std::string{space}, std::string{name}, scope, self, call, task, this});
}
void Instance::add_element(std::string_view space, void* self, ElementThunk thunk) {
    wires_.on_element.push_back({std::string{space}, self, thunk, this});
}
void Instance::add_step(Phase phase, std::string_view space, int rank, void* self, AdvertiseThunk advertise,
                        StepThunk take) {
    wires_.steps.push_back({phase, std::string{space}, rank, self, advertise, take, this});
}
void Instance::add_journal(void* self, JournalNotice::Mask wanted, JournalThunk thunk) {
    wires_.on_journal.push_back({self, wanted, thunk, this});
}

void Instance::add_timer(std::string_view name, void* self, TimerThunk thunk) {
    wires_.on_timer.push_back({std::string{name}, self, thunk, this});
}
void Instance::add_tick(Duration interval, void* self, TickThunk thunk) {
    ticks_.push_back({interval, self, thunk, 0});
}
void Instance::feature(std::string_view space, Scope scope) {
    wires_.features.push_back({std::string{space}, scope, this});
}
void Instance::identity(Identity identity, Scope scope) {
    wires_.identities.push_back({std::move(identity), scope, this});
}
void Instance::form(std::string xml, Scope scope) { wires_.forms.push_back({std::move(xml), scope, this}); }
Counter& Instance::counter(std::string_view name, std::string_view help) {
    return shard_.kernel.board.counter({name_, std::string{name}, std::string{help}}, shard_.index);
}
Gauge& Instance::gauge(std::string_view name, std::string_view help) {
    return shard_.kernel.board.gauge({name_, std::string{name}, std::string{help}}, shard_.index);
}
void Instance::keeps(std::string_view table, std::string_view what) {
    wires_.kept.push_back({std::string{table}, std::string{what}, this});
}
void Instance::add_command(Command declared, void* self, CommandThunk call, PrefillThunk prefill) {
    wires_.commands.push_back({std::move(declared), self, call, prefill, this});
}
void Instance::add_http(std::string_view path, void* self, HttpThunk call) {
    wires_.routes.push_back({std::string{path}, self, call, this});
}
void Instance::provide(StoreFactory factory) { store_factory_ = std::move(factory); }
void Instance::provide(AuthProvider* auth) { provided_auth_ = auth; }
void Instance::codec(std::unique_ptr<Codec> codec) { codecs_.push_back(std::move(codec)); }
void Instance::needs(std::string_view module) { needs_.emplace_back(module); }

// --- host

Store& Instance::store() noexcept { return *shard_.store; }
Journal& Instance::journal() noexcept { return shard_.journal; }
AuthProvider* Instance::auth() noexcept { return shard_.auth != nullptr ? &shard_.auth_door : nullptr; }
void Instance::route(Stanza stanza) { shard_.route_later(std::move(stanza)); }
Later<Result<Stanza>> Instance::ask(Stanza iq, Duration patience) { return shard_.ask(std::move(iq), patience); }

void Instance::defer(std::function<void()> job) {
    if (is_given_up_) return;   // else one closure that defers the next would keep its image for ever
    ++running_;
    shard_.post([this, job = std::move(job)]() mutable {
        try {
            const Breadcrumb here{*this};
            job();
        } catch (const std::exception& e) {
            fault("a deferred job", e.what());
        } catch (...) {
            fault("a deferred job", unknown_exception);
        }
        job = nullptr;   // the module's code, before the instance may go
        --running_;
    });
}

Later<Nothing> Instance::after(Duration wait) {
    Later<Nothing> later;
    shard_.after(wait, [state = later.state()] { state->complete({}); });
    return later;
}

Later<Result<Nothing>> Instance::run_in_pool(std::function<void()> job) {
    Later<Result<Nothing>> later;
    ++running_;
    asio::post(shard_.kernel.pool, [this, state = later.state(), job = std::move(job)]() mutable {
        std::string why;
        use_signal_stack();
        const ThreadCrumb here{crumb_};
        try {
            job();
        } catch (const std::exception& e) {
            why = e.what();
        } catch (...) {
            why = "unknown exception";
        }
        job = nullptr;   // the module's code, before the instance may go
        shard_.post([this, state = std::move(state), why] {
            if (why.empty())
                state->complete(Nothing{});
            else
                state->complete(fail(Condition::internal_server_error, why));
            --running_;
        });
    });
    return later;
}

// Until it is live, it may be on another thread than its shard's.
Time Instance::now() const noexcept { return live_ ? shard_.now() : shard_.kernel.clock->now(); }
Duration Instance::uptime() const noexcept { return shard_.kernel.clock->steady(); }

std::vector<std::string> Instance::domains() const { return shard_.kernel.settings.server.domains; }
bool Instance::is_local(std::string_view domain) const noexcept { return shard_.kernel.is_local(domain); }

std::vector<std::string> Instance::features(Scope scope) const {
    std::vector<std::string> found;
    for (const auto& f : shard_.hooks.features)
        if ((static_cast<unsigned>(f.scope) & static_cast<unsigned>(scope)) != 0) found.push_back(f.space);
    return found;
}

std::vector<Identity> Instance::identities(Scope scope) const {
    std::vector<Identity> found;
    for (const auto& i : shard_.hooks.identities)
        if ((static_cast<unsigned>(i.scope) & static_cast<unsigned>(scope)) != 0) found.push_back(i.identity);
    return found;
}

std::vector<std::string> Instance::forms(Scope scope) const {
    std::vector<std::string> found;
    for (const auto& f : shard_.hooks.forms)
        if ((static_cast<unsigned>(f.scope) & static_cast<unsigned>(scope)) != 0) found.push_back(f.xml);
    return found;
}

bool Instance::is_admin(const Jid& jid) const noexcept { return shard_.kernel.is_admin(jid); }
Server& Instance::server() noexcept { return *shard_.kernel.server; }

std::vector<Command> Instance::commands() const {
    std::vector<Command> all;
    all.reserve(shard_.hooks.commands.size());
    for (const auto& c : shard_.hooks.commands) all.push_back(c.declared);
    return all;
}

Later<Result<CommandResult>> Instance::give(std::string node, CommandCall call) {
    Later<Result<CommandResult>> later;
    give_command(shard_, std::move(node), std::move(call),
                 [state = later.state()](Result<CommandResult> result) { state->complete(std::move(result)); });
    return later;
}

Later<Result<CommandCall>> Instance::prefill(std::string node, CommandCall call) {
    Later<Result<CommandCall>> later;
    prefill_command(shard_, std::move(node), std::move(call),
                    [state = later.state()](Result<CommandCall> filled) { state->complete(std::move(filled)); });
    return later;
}

Stanza Instance::export_account(Account& account) {
    auto user = Stanza::parse("<user/>");
    shard_.fire(Event::exported, static_cast<LocalAccount&>(account), &*user);
    return std::move(*user);
}

void Instance::import_account(Account& account, Stanza& user) {
    shard_.fire(Event::imported, static_cast<LocalAccount&>(account), &user);
}

std::string Instance::version() const { return std::string{tambo::version()}; }
std::string Instance::data_folder() const { return shard_.kernel.settings.server.data.string(); }
Bytes Instance::secret(std::string_view purpose) const { return shard_.kernel.secret(purpose); }
Account* Instance::find_account(const Jid& bare) noexcept { return shard_.find_account(bare); }

Later<Account*> Instance::load_account(const Jid& bare) {
    Later<Account*> later;
    if (&shard_.kernel.home(bare) != &shard_) {
        later.state()->complete(nullptr);
        return later;
    }
    auto& account = shard_.account(bare);
    account.when_loaded(
        [&account, state = later.state()](bool loaded) { state->complete(loaded ? &account : nullptr); });
    return later;
}

void Instance::each_session(const std::function<void(Session&)>& see) {
    std::vector<Jid> all;
    shard_.each_session([&all](LocalSession& session) { all.push_back(session.jid()); });
    for (const auto& jid : all)
        if (auto* session = shard_.find_session(jid)) see(*session);
}

Later<Result<Nothing>> Instance::remove_account(const Jid& bare) {
    Later<Result<Nothing>> later;
    auto& home = shard_.kernel.home(bare);
    auto* here = &shard_;
    home.post([&home, here, bare = bare.bare(), state = later.state()] {
        home.remove_account(bare, [here, state](Result<Nothing> done) {
            here->post([state, done = std::move(done)] { state->complete(done); });
        });
    });
    return later;
}

Later<Result<Nothing>> Instance::kept() {
    struct Rest {
        int parts = 2;
        std::string error;
    };
    Later<Result<Nothing>> later;
    const auto done = [state = later.state(), rest = std::make_shared<Rest>()](const std::string& error) {
        if (!error.empty()) rest->error = error;
        if (--rest->parts > 0) return;
        if (rest->error.empty())
            state->complete(Nothing{});
        else
            state->complete(fail(Condition::resource_constraint, rest->error));
    };
    shard_.store->when_kept(done);
    shard_.journal.after_commit(done);   // what it gathers it has not yet asked the store for
    return later;
}

void Instance::account_made(const Jid& bare) {
    auto& home = shard_.kernel.home(bare);
    home.post([&home, bare] { home.account_made(bare); });
}

unsigned Instance::shard() const noexcept { return shard_.index; }

}   // namespace tambo
