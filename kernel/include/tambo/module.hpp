// Modules: what reacts (modules/) and what is asked (plugins/). man 7 tambo-modules tells the whole story.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <tambo/abi.hpp>
#include <tambo/auth.hpp>
#include <tambo/bytes.hpp>
#include <tambo/codec.hpp>
#include <tambo/command.hpp>
#include <tambo/event.hpp>
#include <tambo/feature.hpp>
#include <tambo/http.hpp>
#include <tambo/journal.hpp>
#include <tambo/log.hpp>
#include <tambo/metric.hpp>
#include <tambo/option.hpp>
#include <tambo/session.hpp>
#include <tambo/stanza.hpp>
#include <tambo/store.hpp>
#include <tambo/task.hpp>

namespace tambo {

/// Whom an IQ handler answers for.
enum class Scope : std::uint8_t {
    server = 1,    ///< iq addressed to one of our domains
    account = 2,   ///< iq addressed to a bare JID, or to none (RFC 6120 §10.3.3: the sender's own account)
    both = 3,
};

/// XEP-0030 §3: what an entity is.
struct Identity {
    std::string category, type, name;
};

class Server;

/// What the kernel does for a module. One per instance, on one shard; everything here is called on that shard.
class TAMBO_API Host {
public:
    virtual Store& store() noexcept = 0;
    virtual Journal& journal() noexcept = 0;
    virtual AuthProvider* auth() noexcept = 0;   ///< null while no auth plugin is loaded
    virtual Log& log() noexcept = 0;

    /// Sends a stanza to whom `to` names, from whom `from` names. Never runs handlers before it returns.
    virtual void route(Stanza stanza) = 0;
    /// Sends an iq request and waits for the answer: remote-server-timeout if none comes in time.
    virtual Later<Result<Stanza>> ask(Stanza iq, Duration patience) = 0;

    virtual void spawn(Task<void> task) = 0;             ///< starts now; the kernel owns it
    virtual void defer(std::function<void()> job) = 0;   ///< runs on this shard, after this turn
    virtual Later<Nothing> after(Duration wait) = 0;
    /// Runs `job` on a worker thread. It must own all that it touches. An error means that it threw, with what it said.
    virtual Later<Result<Nothing>> run_in_pool(std::function<void()> job) = 0;
    /// `auto keys = co_await host().offload([p = password] { return derive(p); });`
    template <class F, class R = std::invoke_result_t<F&>>
    Task<R> offload(F f) {
        auto result = std::make_shared<std::optional<R>>();
        auto work = std::make_shared<F>(std::move(f));
        // Named, since g++ 12 destroys some temporaries of a co_await expression twice.
        std::function<void()> job = [result, work] { result->emplace((*work)()); };
        auto done = run_in_pool(std::move(job));
        const auto ran = co_await std::move(done);
        if (!ran) throw std::runtime_error(ran.error().text);
        co_return std::move(**result);
    }

    virtual Time now() const noexcept = 0;          ///< wall clock (tests set it)
    virtual Duration uptime() const noexcept = 0;   ///< steady, since the server started

    virtual std::vector<std::string> domains() const = 0;   ///< the virtual hosts
    virtual bool is_local(std::string_view domain) const noexcept = 0;
    virtual std::vector<std::string> features(Scope scope) const = 0;   ///< what disco announces
    virtual std::vector<Identity> identities(Scope scope) const = 0;
    virtual std::vector<std::string> forms(Scope scope) const = 0;   ///< Wiring::form, for disco
    virtual std::string version() const = 0;                         ///< tambo's own
    virtual std::string data_folder() const = 0;                     ///< absolute; for plugins that keep files

    virtual bool is_admin(const Jid& jid) const noexcept = 0;   ///< [server] admins names the bare JID

    /// The whole server: users, sessions of all shards, figures, modules. Its calls wait for shards, so they are never
    /// made on one: `co_await host().offload([&server = host().server()] { return server.sessions(); })`.
    virtual Server& server() noexcept = 0;
    /// What modules offer (Wiring::command), and giving one of them on behalf of `call.who`. The audience is checked:
    /// forbidden; an unknown node is item-not-found; an argument that its declaration does not allow is bad-request.
    virtual std::vector<Command> commands() const = 0;
    virtual Later<Result<CommandResult>> give(std::string node, CommandCall call) = 0;
    /// The same call with what is true now in the places of what was not given; for a form that is about to be shown.
    virtual Later<Result<CommandCall>> prefill(std::string node, CommandCall call) = 0;

    /// What all modules keep of an account of this shard (Event::exported): an element <user/> with their parts in it.
    virtual Stanza export_account(Account& account) = 0;
    /// The reverse (Event::imported); kept() says when it is on disk.
    virtual void import_account(Account& account, Stanza& user) = 0;

    /// 32 bytes that stay the same for this server and purpose, and that nobody else knows.
    virtual Bytes secret(std::string_view purpose) const = 0;

    /// The account if this is its home shard and it is in memory.
    virtual Account* find_account(const Jid& bare) noexcept = 0;
    /// Loads the account if it lives on this shard; null if it lives elsewhere or could not be loaded. Good until the
    /// next co_await.
    virtual Later<Account*> load_account(const Jid& bare) = 0;
    /// All sessions of this shard. `see` may end one of them.
    virtual void each_session(const std::function<void(Session&)>& see) = 0;
    /// Removes an account with everything that it had: sessions, rows, journal, credentials.
    virtual Later<Result<Nothing>> remove_account(const Jid& bare) = 0;
    /// Done when everything that was written on this shard until now is committed (tables, journal, key-value).
    virtual Later<Result<Nothing>> kept() = 0;
    /// Tells the kernel that an account was just made (what it remembered of "no such user" is wrong now).
    virtual void account_made(const Jid& bare) = 0;

    virtual unsigned shard() const noexcept = 0;

protected:
    ~Host() = default;
};

/// Where a module says what it wants to hear. The kernel keeps the list, in effect from the moment the instance goes
/// live until it is replaced: nothing is ever unregistered by hand. Any of these throws std::runtime_error with a
/// sentence if it cannot be granted; the version that runs then stays.
class TAMBO_API Wiring {
public:
    using SessionThunk = Verdict (*)(void*, Session&, Stanza*);
    using AccountThunk = Verdict (*)(void*, Account&, Stanza*);
    using IqThunk = Reply (*)(void*, Iq&);
    using IqTaskThunk = Task<Reply> (*)(void*, Iq);
    using ElementThunk = void (*)(void*, Session&, const Stanza&);
    using TimerThunk = void (*)(void*, Session&);
    using TickThunk = void (*)(void*);
    using AdvertiseThunk = void (*)(void*, const StreamInfo&, Writer&);
    using StepThunk = Task<void> (*)(void*, Handshake&, Stanza);
    using CommandThunk = Task<Result<CommandResult>> (*)(void*, CommandCall);
    using PrefillThunk = Task<CommandCall> (*)(void*, CommandCall);
    using JournalThunk = void (*)(void*, Account&, const JournalNotice&);
    using HttpThunk = Task<HttpReply> (*)(void*, HttpRequest);

    /// Hears an event. Handlers may decide (Verdict) or, if they return void, only watch.
    template <auto Handler, class M>
    void on(SessionEvent event, M* self, int priority = 0) {
        add(event, priority, self, [](void* m, Session& s, [[maybe_unused]] Stanza* z) -> Verdict {
            auto& module = *static_cast<M*>(m);
            if constexpr (std::is_invocable_v<decltype(Handler), M&, Session&, Stanza&>)
                return verdict([&] { return (module.*Handler)(s, *z); });
            else
                return verdict([&] { return (module.*Handler)(s); });
        });
    }
    template <auto Handler, class M>
    void on(AccountEvent event, M* self, int priority = 0) {
        add(event, priority, self, [](void* m, Account& a, [[maybe_unused]] Stanza* z) -> Verdict {
            auto& module = *static_cast<M*>(m);
            if constexpr (std::is_invocable_v<decltype(Handler), M&, Account&, Stanza&>)
                return verdict([&] { return (module.*Handler)(a, *z); });
            else
                return verdict([&] { return (module.*Handler)(a); });
        });
    }

    /// Answers IQs whose payload has this namespace and name: `Reply f(Iq&)`, or `Task<Reply> f(Iq)` if it has to wait.
    /// If the handler wrote to the account's tables, its result is sent after the commit.
    template <auto Handler, class M>
    void iq(std::string_view space, std::string_view name, M* self, Scope scope = Scope::both) {
        if constexpr (std::is_invocable_r_v<Reply, decltype(Handler), M&, Iq&>)
            add_iq(
                space, name, scope, self, [](void* m, Iq& iq) -> Reply { return (static_cast<M*>(m)->*Handler)(iq); },
                nullptr);
        else
            add_iq(space, name, scope, self, nullptr,
                   [](void* m, Iq iq) -> Task<Reply> { return (static_cast<M*>(m)->*Handler)(std::move(iq)); });
    }

    /// Stream-level elements of bound clients in this namespace: `void f(Session&, const Stanza&)`.
    template <auto Handler, class M>
    void element(std::string_view space, M* self) {
        add_element(space, self, [](void* m, Session& s, const Stanza& z) { (static_cast<M*>(m)->*Handler)(s, z); });
    }

    /// A step of negotiation. `void advertise(const StreamInfo&, Writer&)` writes into <stream:features/>, in the order
    /// of `rank`; `Task<void> step(Handshake&, Stanza)` gets the element (or the iq) in this namespace.
    template <auto Advertise, auto Step, class M>
    void negotiate(Phase phase, std::string_view space, int rank, M* self) {
        add_step(
            phase, space, rank, self,
            [](void* m, const StreamInfo& info, Writer& w) { (static_cast<M*>(m)->*Advertise)(info, w); },
            [](void* m, Handshake& h, Stanza z) -> Task<void> { return (static_cast<M*>(m)->*Step)(h, std::move(z)); });
    }

    /// What becomes of messages (Journal): `void f(Account&, const JournalNotice&)`, on the home shard of who gets
    /// them; of `wanted` notices only (JournalNotice::only).
    template <auto Handler, class M>
    void journal(M* self, JournalNotice::Mask wanted = JournalNotice::all) {
        add_journal(self, wanted,
                    [](void* m, Account& a, const JournalNotice& n) { (static_cast<M*>(m)->*Handler)(a, n); });
    }

    /// Named per-session timers (Session::arm): `void f(Session&)`.
    template <auto Handler, class M>
    void timer(std::string_view name, M* self) {
        add_timer(name, self, [](void* m, Session& s) { (static_cast<M*>(m)->*Handler)(s); });
    }
    /// Every so often, on each shard: `void f()`.
    template <auto Handler, class M>
    void every(Duration interval, M* self) {
        add_tick(interval, self, [](void* m) { (static_cast<M*>(m)->*Handler)(); });
    }

    /// Something that people can ask for: `Task<Result<CommandResult>> f(CommandCall)`. With `Prefill`, a form shows
    /// what is true now: `void prefill(CommandCall&)` fills `given`, on the home shard of the account that it is about;
    /// or `Task<CommandCall> prefill(CommandCall)` if it has to wait.
    template <auto Handler, class M>
    void command(Command declared, M* self) {
        add_command(
            std::move(declared), self,
            // NOLINTNEXTLINE(performance-unnecessary-value-param): a handler that waits takes it over
            [](void* m, CommandCall call) -> Task<Result<CommandResult>> {
                return (static_cast<M*>(m)->*Handler)(std::move(call));
            },
            nullptr);
    }
    template <auto Handler, auto Prefill, class M>
    void command(Command declared, M* self) {
        add_command(
            std::move(declared), self,
            // NOLINTNEXTLINE(performance-unnecessary-value-param): a handler that waits takes it over
            [](void* m, CommandCall call) -> Task<Result<CommandResult>> {
                return (static_cast<M*>(m)->*Handler)(std::move(call));
            },
            [](void* m, CommandCall call) -> Task<CommandCall> {
                if constexpr (std::is_void_v<std::invoke_result_t<decltype(Prefill), M&, CommandCall&>>) {
                    (static_cast<M*>(m)->*Prefill)(call);
                    co_return call;
                } else {
                    auto filling = (static_cast<M*>(m)->*Prefill)(std::move(call));
                    co_return co_await std::move(filling);
                }
            });
    }

    /// Answers HTTP requests for this path, or for all below it if it ends in a slash: `Task<HttpReply>
    /// f(HttpRequest)`, called on any one shard.
    template <auto Handler, class M>
    void http(std::string_view path, M* self) {
        add_http(path, self, [](void* m, HttpRequest request) -> Task<HttpReply> {
            return (static_cast<M*>(m)->*Handler)(std::move(request));
        });
    }

    /// A figure for the operator, `tambo_MODULE_NAME`; counters end in `_total`. The reference is good for as long as
    /// the module; the figure goes on with the next version of it.
    virtual Counter& counter(std::string_view name, std::string_view help) = 0;
    virtual Gauge& gauge(std::string_view name, std::string_view help) = 0;

    /// A table (Table, KeyValue) in which this module keeps something about users, and what: "contacts and groups".
    /// Writing to a table that nobody declared throws. Removing an account empties them all.
    virtual void keeps(std::string_view table, std::string_view what) = 0;

    virtual void feature(std::string_view space, Scope scope = Scope::server) = 0;   ///< announced by disco
    /// A data form in what disco says about an entity (XEP-0128), as XML: `<x xmlns='jabber:x:data' type='result'>…`.
    virtual void form(std::string xml, Scope scope = Scope::server) = 0;
    virtual void identity(Identity identity, Scope scope = Scope::server) = 0;

    /// For plugins: contracts that exactly one must fulfil.
    virtual void provide(StoreFactory factory) = 0;
    virtual void provide(AuthProvider* auth) = 0;
    virtual void codec(std::unique_ptr<Codec> codec) = 0;

    /// This module cannot work without that one; it is loaded after it.
    virtual void needs(std::string_view module) = 0;
    /// Nobody can log in without this module: while it is left out because of its faults, new streams are refused with
    /// resource-constraint, and those that are there stay.
    virtual void required() = 0;

protected:
    ~Wiring() = default;
    virtual void add(SessionEvent, int priority, void* self, SessionThunk) = 0;
    virtual void add(AccountEvent, int priority, void* self, AccountThunk) = 0;
    virtual void add_iq(std::string_view space, std::string_view name, Scope, void* self, IqThunk, IqTaskThunk) = 0;
    virtual void add_element(std::string_view space, void* self, ElementThunk) = 0;
    virtual void add_step(Phase, std::string_view space, int rank, void* self, AdvertiseThunk, StepThunk) = 0;
    virtual void add_journal(void* self, JournalNotice::Mask wanted, JournalThunk) = 0;
    virtual void add_timer(std::string_view name, void* self, TimerThunk) = 0;
    virtual void add_tick(Duration, void* self, TickThunk) = 0;
    virtual void add_command(Command, void* self, CommandThunk, PrefillThunk) = 0;
    virtual void add_http(std::string_view path, void* self, HttpThunk) = 0;

private:
    template <class F>
    static Verdict verdict(F&& f) {
        if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
            f();
            return Verdict::pass;
        } else
            return f();
    }
};

/// Base of every module and plugin. One instance per shard, always called on that shard's thread: no locks, no statics.
/// What a member counts is therefore one shard's share.
class TAMBO_API Module {
public:
    Module();   ///< only the kernel makes modules, through the descriptor
    virtual ~Module();
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;

    /// The table of contents. Called once; what it asks for takes effect when the instance goes live.
    virtual void wire(Wiring& wiring) = 0;

    /// State for the next build of this module, in the form that the state version names (TAMBO_MODULE). Const: rolling
    /// back is doing nothing.
    virtual Bytes save() const { return {}; }
    /// Takes over what a build with the same state version saved; called on a fresh instance, before it goes live.
    /// False (or an exception) means "I can't read this": the old version stays.
    virtual bool load(std::string_view state) {
        (void)state;
        return true;
    }
    /// Takes over what a build with an older state version saved. What a newer one saved is refused by the kernel: the
    /// newer version stays.
    virtual bool upgrade(std::uint32_t from_version, std::string_view state) {
        (void)from_version;
        return state.empty();
    }

protected:
    Host& host() const noexcept { return host_; }
    Log& log() const noexcept { return host_.log(); }
    Time now() const noexcept { return host_.now(); }
    KeyValue store(std::string_view table) const { return KeyValue{host_.store(), std::string{table}}; }

private:
    Host& host_;
};

}   // namespace tambo

/// Last line of a module: class, name, version, version of what save() writes.
#define TAMBO_MODULE(Class, Name, Version, State)                                                         \
    extern "C" __attribute__((visibility("default"))) const ::tambo::Descriptor* tambo_module() {         \
        static constexpr ::tambo::Descriptor descriptor{TAMBO_ABI_TAG,                                    \
                                                        Name,                                             \
                                                        Version,                                          \
                                                        State,                                            \
                                                        []() -> ::tambo::Module* { return new (Class); }, \
                                                        [](::tambo::Module* module) { delete module; }};  \
        return &descriptor;                                                                               \
    }
