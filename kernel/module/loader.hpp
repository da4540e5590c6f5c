// Loading, swapping and unloading modules.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <tambo/server.hpp>

#include "module/image.hpp"
#include "module/instance.hpp"
#include "module/meeting.hpp"
#include "module/retirement.hpp"
#include "server/kernel.hpp"

namespace tambo {

/// Keeps one instance of each loaded module on each shard. One transaction changes any number of them: prepare (nobody
/// notices), meet (between two events: the new ones take the old ones' state), flip all or none, retire.
///
/// May be called from any thread except a shard's; calls are worked off one after the other. Destroy only after shards
/// have stopped.
class Loader {
public:
    Loader(Kernel& kernel, std::vector<std::filesystem::path> folders);
    ~Loader();

    /// At start-up, before shards run: all modules of the configuration, in the order that their needs demand. Throws
    /// ConfigError or std::runtime_error if one of them can't be loaded.
    void load_all(const std::vector<std::string>& names);

    /// Those that stayed out then, being to blame for crashes of the process, and nobody has loaded since.
    std::vector<std::string> left_out() const;

    /// What load_all would complain of, without anything going live.
    std::vector<std::string> check(const std::vector<std::string>& names);

    SwapReport load(const std::string& name);
    /// Swaps it for its file as it is now, or for another file.
    SwapReport reload(const std::string& name, const std::filesystem::path& file = {});
    /// Several in one transaction.
    SwapReport reload_together(const std::vector<std::string>& names);
    SwapReport reload_all();       ///< everything that was loaded from a file
    SwapReport reload_changed();   ///< … and differs from it by now
    SwapReport unload(const std::string& name);
    /// Loads it, or swaps it for the same file, with the options that `fresh` gives it; if it is refused, those that it
    /// had stay.
    SwapReport reconfigure(const std::string& name, const Config& fresh);
    /// What options are read from, from now on.
    void follow(const Config& config);

    // --- for the supervisor; nothing happens if another generation is live by now (0: whichever is)
    /// Makes the instance of one shard anew, from what it saved when it was last well. Empty, or why it could not.
    std::string rebuild(const std::string& name, std::uint64_t generation, unsigned shard);
    /// Takes the module out of one shard's tables: its handlers, its features. What sessions have of it stays.
    void withdraw(const std::string& name, std::uint64_t generation, unsigned shard);
    /// Brings the version back that ran before the last swap.
    SwapReport roll_back(const std::string& name, std::uint64_t generation, const std::string& why);
    /// How it shows in modules(), and what is written into its history (unless empty). `state` empty: as it was.
    void mark(const std::string& name, std::uint64_t generation, std::string state, std::string note, std::string what);
    /// The version before the last swap is not needed any more: mark("live").
    void end_probation(const std::string& name, std::uint64_t generation);
    /// Something that only others could see went wrong with it, on a shard: a fault.
    void blame(const std::string& name, unsigned shard, std::string_view why);
    /// What it saves now is its last good state, on all shards where it is live. Does not wait for them.
    void remember_states();

    std::vector<ModuleInfo> modules() const;
    std::vector<OptionInfo> options() const;   ///< all that was declared so far
    /// What was swapped, loaded and unloaded since the start.
    struct History {
        std::vector<SwapRecord> latest;   ///< a hundred at most, oldest first
        std::uint64_t done = 0, refused = 0, pinned = 0;
    };
    History history() const;

    /// What the loaded store plugin provides, and its image, which has to outlive each use of that. Empty if there is
    /// none.
    struct StorePlugin {
        std::shared_ptr<Image> image;   // shared with the loader: the plugin may be swapped meanwhile
        StoreFactory factory;
    };
    StorePlugin store_plugin() const;

    /// Destroys what retired instances have become free; called now and then by the supervisor.
    void sweep();
    /// After the shards have stopped: everything goes, images last (they are handed out so that their owner decides
    /// when).
    std::vector<std::shared_ptr<Image>> release();

    /// Where `NAME.so` is, among the folders; empty if it is nowhere.
    std::filesystem::path find(const std::string& name) const;
    std::string at_its_place(const std::string& name, const std::string& why) const;
    std::string no_file(const std::string& name) const;

private:
    struct Loaded {
        std::string name;
        std::filesystem::path file;
        std::shared_ptr<Image> image;
        Instances instances;
        std::string state = "live", note{};
        std::vector<ModuleEvent> history{};
        std::filesystem::path previous{};             // a copy of the version before, while this one is on probation
        std::vector<Instance::Saved> handed_over{};   // … and what that one saved at the swap, shard by shard
    };
    struct Prepared {
        std::shared_ptr<Image> image;
        Instances instances;
        std::vector<OptionInfo> options;
    };
    /// One module of a transaction.
    struct Change {
        std::string name;
        std::filesystem::path file;
        Loaded* old = nullptr;    // null: it is loaded
        bool goes_back = false;   // to the version before: what that one saved counts if this one's is too new
        Prepared fresh{};
        std::vector<Instance::Saved> saved{};
        std::uint64_t slots = 0;
    };
    using Changes = std::vector<Change>;
    /// Why a transaction ended early.
    struct Objection {
        std::string module, step, reason;
        explicit operator bool() const noexcept { return !reason.empty(); }
    };

    const HostModule* find_own(const std::string& name) const;
    bool exists(const std::string& name) const { return find_own(name) != nullptr || !find(name).empty(); }
    /// `file`: where to find it, unless it is the host's own.
    Result<Prepared> prepare(const std::filesystem::path& file, const std::string& name);
    std::string stuck(const Changes& waiting) const;
    std::string unknown_keys(const std::string& name, const std::vector<OptionInfo>& options) const;
    void remember_options(const std::string& name, std::vector<OptionInfo> options);
    Loaded* find_loaded(const std::string& name);
    Loaded* find_loaded(const std::string& name, std::uint64_t generation);

    // --- who stays out (left_out.cpp)
    bool stays_out(const std::string& name);
    bool leave_out_who_needs_them(Changes& waiting);
    void leave_out(const std::string& name, std::string why);
    bool no_longer_left_out(const std::string& name);

    // --- a transaction (transaction.cpp)
    SwapReport change(Changes changes);
    Objection prepare_all(Changes& changes);
    Objection judge(const Change& change, const Changes& all) const;
    std::string missing_needs(const Instance& instance, const Changes& all) const;
    Objection change_store(const Changes& changes, bool& is_changed);
    Objection meet(Changes& changes, Meeting::Figures& figures);
    static std::string hand_over(Change& change, std::size_t shard);
    void settle(Changes& changes, SwapReport& report);
    void begin_probation(Loaded& loaded, Change& change);
    void tell_desk(const Change& change, bool is_on_probation) const;
    void give_up(Changes& changes, bool store_is_changed);
    SwapReport refused(SwapReport report, const Objection& why) const;

    std::unique_lock<std::mutex> enter() const;
    SwapReport load_now(const std::string& name);
    SwapReport reload_now(const std::vector<std::string>& names, const std::filesystem::path& file);
    SwapReport unload_now(const std::string& name);
    SwapReport remember(std::string kind, SwapReport report);
    void tell(Loaded& loaded, std::string what);
    static void forget_previous(Loaded& loaded);

    Kernel& kernel_;
    const std::vector<std::filesystem::path> folders_;
    mutable std::mutex lock_;
    Config config_;   // what options are read from
    std::vector<Loaded> loaded_;
    std::vector<ModuleInfo> left_out_;   // at the start
    Retirement retirement_;
    History history_;
};

}   // namespace tambo
