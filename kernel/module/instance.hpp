// A module on one shard: what it asked for, what it may ask, what of it is still running.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <tambo/module.hpp>
#include <tambo/server.hpp>

#include "module/image.hpp"
#include "route/hooks.hpp"
#include "server/crash_note.hpp"
#include "server/figures.hpp"
#include "server/log.hpp"
#include "shard/wheel.hpp"

namespace tambo {

class Shard;

/// What a task is about, in case that it fails.
struct Errand {
    std::string where = "a task";
    std::shared_ptr<const Stanza> stanza{};   // shared with whoever answers it
};

/// Made on the supervisor's thread (constructor and wire()), then lives on its shard's thread until it is destroyed
/// there. It outlives every closure and task of its module: the loader destroys it only when holds() is empty, or after
/// cancel().
class Instance final : public Wiring, public Host {
public:
    /// Creates the module and wires it. Throws whatever it throws, as std::runtime_error with the text copied.
    Instance(std::shared_ptr<Image> image, Shard& shard, const Config& config, std::vector<OptionInfo>& declared);
    ~Instance();

    const std::string& name() const noexcept { return name_; }
    const std::shared_ptr<Image>& image() const noexcept { return image_; }
    Module& module() noexcept { return *module_; }
    const std::vector<std::string>& dependencies() const noexcept { return needs_; }
    const std::vector<SlotInfo>& slots() const noexcept { return slots_; }
    /// Without it nobody can come in.
    bool is_required() const noexcept { return is_required_ || provided_auth_ != nullptr; }
    const StoreFactory& store_factory() const noexcept { return store_factory_; }
    const Hooks& wires() const noexcept { return wires_; }
    AuthProvider* provided_auth() const noexcept { return provided_auth_; }

    /// What save() gave, and which version of state that is.
    struct Saved {
        std::uint32_t version = 0;
        Bytes state;
    };
    Saved save() const;
    /// Takes it over (Module::load, Module::upgrade); empty, or why not. Must be called before it goes live.
    std::string take_over(Saved saved);
    /// What it took over, or what it saved when it was last well (remember()); nothing if it never could.
    const std::optional<Saved>& last_good() const noexcept { return last_good_; }
    /// What it saves now, unless it has failed since it was asked last.
    void remember() noexcept;

    // --- on the shard, between two events
    void go_live();
    void leave();
    /// Why streams that are open could not go on with this instance's codecs; empty if they can.
    std::string objection() const;
    bool is_live() const noexcept { return live_; }

    /// What of this module's code still waits or runs, in words; empty if it may be destroyed.
    std::string holds() const;
    /// Destroys the tasks where they wait.
    void cancel();

    /// Counts and logs a fault of the module's code: in what (`"iq urn:xmpp:ping"`), why, and with which stanza.
    void fault(std::string_view where, std::string_view why, const Stanza* stanza = nullptr) noexcept;
    std::uint64_t faults() const noexcept { return faults_.load(std::memory_order_relaxed); }
    /// It takes the place of this one, which failed: faults are the version's.
    void count_on_from(const Instance& failed) noexcept { faults_ = faults_remembered_ = failed.faults(); }
    ModuleCost& cost() noexcept { return cost_; }
    /// A name that outlives the image, for breadcrumbs.
    const char* crumb() const noexcept { return crumb_; }
    Shard& home() noexcept { return shard_; }

    /// Runs a task as this module's; `done` is told whether it ended well or threw, and is not called when it was
    /// cancelled. Returns its id.
    using Done = std::function<void(bool well)>;
    std::uint64_t run(Task<void> task, Done done = {}, Errand errand = {});
    /// Ends it where it waits. Unknown ids (it ended by itself) are ignored.
    void stop(std::uint64_t id);

    // --- Wiring
    void feature(std::string_view space, Scope scope) override;
    void identity(Identity identity, Scope scope) override;
    void form(std::string xml, Scope scope) override;
    Counter& counter(std::string_view name, std::string_view help) override;
    Gauge& gauge(std::string_view name, std::string_view help) override;
    void keeps(std::string_view table, std::string_view what) override;
    void provide(StoreFactory factory) override;
    void provide(AuthProvider* auth) override;
    void codec(std::unique_ptr<Codec> codec) override;
    void needs(std::string_view module) override;
    void required() override { is_required_ = true; }

    // --- Host
    Store& store() noexcept override;
    Journal& journal() noexcept override;
    AuthProvider* auth() noexcept override;
    Log& log() noexcept override { return *log_; }
    void route(Stanza stanza) override;
    Later<Result<Stanza>> ask(Stanza iq, Duration patience) override;
    void spawn(Task<void> task) override { run(std::move(task)); }
    void defer(std::function<void()> job) override;
    Later<Nothing> after(Duration wait) override;
    Later<Result<Nothing>> run_in_pool(std::function<void()> job) override;
    Time now() const noexcept override;
    Duration uptime() const noexcept override;
    std::vector<std::string> domains() const override;
    bool is_local(std::string_view domain) const noexcept override;
    std::vector<std::string> features(Scope scope) const override;
    std::vector<Identity> identities(Scope scope) const override;
    std::vector<std::string> forms(Scope scope) const override;
    std::string version() const override;
    std::string data_folder() const override;
    bool is_admin(const Jid& jid) const noexcept override;
    Server& server() noexcept override;
    std::vector<Command> commands() const override;
    Later<Result<CommandResult>> give(std::string node, CommandCall call) override;
    Later<Result<CommandCall>> prefill(std::string node, CommandCall call) override;
    Stanza export_account(Account& account) override;
    void import_account(Account& account, Stanza& user) override;
    Bytes secret(std::string_view purpose) const override;
    Account* find_account(const Jid& bare) noexcept override;
    Later<Account*> load_account(const Jid& bare) override;
    void each_session(const std::function<void(Session&)>& see) override;
    Later<Result<Nothing>> remove_account(const Jid& bare) override;
    Later<Result<Nothing>> kept() override;
    void account_made(const Jid& bare) override;
    unsigned shard() const noexcept override;

private:
    void add(SessionEvent, int priority, void* self, SessionThunk) override;
    void add(AccountEvent, int priority, void* self, AccountThunk) override;
    void add_iq(std::string_view space, std::string_view name, Scope, void* self, IqThunk, IqTaskThunk) override;
    void add_element(std::string_view space, void* self, ElementThunk) override;
    void add_step(Phase, std::string_view space, int rank, void* self, AdvertiseThunk, StepThunk) override;
    void add_journal(void* self, JournalNotice::Mask wanted, JournalThunk) override;
    void add_timer(std::string_view name, void* self, TimerThunk) override;
    void add_tick(Duration, void* self, TickThunk) override;
    void add_command(Command, void* self, CommandThunk, PrefillThunk) override;
    void add_http(std::string_view path, void* self, HttpThunk) override;

    struct Tick {
        Duration interval;
        void* self;
        TickThunk call;
        Wheel::Id armed = 0;
        Duration due{};
    };
    struct Root;
    Root drive(Task<void> task, std::uint64_t id, Done done, Errand errand);
    void arm(Tick& tick, Duration wait);

    std::shared_ptr<Image> image_;   // a lease: shared with every closure of this module that is on its way
    Shard& shard_;
    std::string name_;
    const char* crumb_;
    std::unique_ptr<NamedLog> log_;
    Hooks wires_;
    std::vector<Tick> ticks_;
    std::vector<std::string> needs_;
    std::vector<SlotInfo> slots_;
    bool is_required_ = false;
    StoreFactory store_factory_;
    AuthProvider* provided_auth_ = nullptr;
    std::vector<std::unique_ptr<Codec>> codecs_;
    std::unordered_map<std::uint64_t, std::coroutine_handle<>> tasks_;
    std::uint64_t next_task_ = 1;
    std::uint64_t running_ = 0;   // deferred and pooled closures on their way
    std::optional<Saved> last_good_;
    std::atomic<std::uint64_t> faults_{0};
    std::uint64_t faults_remembered_ = 0;   // how many there were at remember()
    ModuleCost& cost_;
    bool live_ = false, is_given_up_ = false;
    Module* module_ = nullptr;
};

/// Names the module that runs, for the watchdog and the crash note, as long as it is in scope; in a turn that is
/// measured it also charges the module with its time.
class Breadcrumb {
public:
    explicit Breadcrumb(Instance& instance) noexcept;
    ~Breadcrumb();
    Breadcrumb(const Breadcrumb&) = delete;
    Breadcrumb& operator=(const Breadcrumb&) = delete;

private:
    Shard& shard_;
    Instance* outer_instance_;
    const ThreadCrumb crumb_;
    const char* outer_;
    ModuleCost* outer_cost_ = nullptr;
    bool measured_;
};

}   // namespace tambo
