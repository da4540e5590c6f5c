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
#include "server/kernel.hpp"

namespace tambo {

/// Keeps one instance of each loaded module on each shard, and swaps them all at once or not at all: prepare (nobody
/// notices), meet (between two events: the new ones take the old ones' state), flip or stay, retire.
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

    /// What load_all would complain of, without anything going live.
    std::vector<std::string> check(const std::vector<std::string>& names);

    SwapReport load(const std::string& name);
    SwapReport reload(const std::string& name, const std::filesystem::path& file = {});
    SwapReport unload(const std::string& name);
    /// Loads it, or swaps it for the same file, with the options that `fresh` gives it; if it is refused, those that it
    /// had stay.
    SwapReport reconfigure(const std::string& name, const Config& fresh);
    /// What options are read from, from now on.
    void follow(const Config& config);
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
    using Instances = std::vector<std::unique_ptr<Instance>>;
    struct Loaded {
        std::string name;
        std::filesystem::path file;
        std::shared_ptr<Image> image;
        Instances instances;
        unsigned swaps = 0;
    };
    struct Prepared {
        std::shared_ptr<Image> image;
        Instances instances;
        std::vector<OptionInfo> options;
    };
    struct Retired {
        std::string name;
        std::filesystem::path copy;
        std::shared_ptr<Image> image;
        Instances instances;
        Duration until{};
    };

    const HostModule* find_own(const std::string& name) const;
    bool exists(const std::string& name) const { return find_own(name) != nullptr || !find(name).empty(); }
    /// `file`: where to find it, unless it is the host's own.
    Result<Prepared> prepare(const std::filesystem::path& file, const std::string& name);
    std::string conflicts(const Prepared& prepared, const std::string& replacing) const;
    std::string missing_needs(const Prepared& prepared) const;
    std::string unknown_keys(const std::string& name, const std::vector<OptionInfo>& options) const;
    SwapReport swap(const std::string& name, const std::filesystem::path& file, Loaded* old);
    /// Meets on all shards: hands the state over, then flips all or none. Empty, or why it stayed.
    std::string meet(Instances* old, Instances& fresh, double& pause_ms);
    bool retire(std::string name, std::shared_ptr<Image> image, Instances instances);
    bool sweep(Retired& retired);
    void on_each_shard(const std::function<void(std::size_t)>& job) const;
    SwapReport load_now(const std::string& name);
    SwapReport reload_now(const std::string& name, const std::filesystem::path& file);
    SwapReport unload_now(const std::string& name);
    SwapReport remember(std::string kind, SwapReport report);
    void remember_options(const std::string& name, std::vector<OptionInfo> options);
    Loaded* find_loaded(const std::string& name);

    Kernel& kernel_;
    const std::vector<std::filesystem::path> folders_;
    mutable std::mutex lock_;
    Config config_;   // what options are read from
    std::vector<Loaded> loaded_;
    std::vector<Retired> retired_;
    History history_;
};

}   // namespace tambo
