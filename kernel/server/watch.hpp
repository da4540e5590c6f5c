// The author's loop, `[kernel] watch = on`: edit, build, and the new version is live.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <tambo/server.hpp>

#include "module/loader.hpp"
#include "server/kernel.hpp"
#include "server/watched_folders.hpp"

namespace tambo {

/// Reloads loaded modules whose files change, and says in one log line what became of it. What changed at about the
/// same time is reloaded in one go; a file that is not whole yet is given time to become so. Files of modules that are
/// not loaded are left alone.
///
/// Has a thread of its own, because a reload waits for all shards. Kernel and loader must outlive it.
class Watch {
public:
    /// Throws std::runtime_error if the system has no more watches to give. Nothing is reloaded before start().
    Watch(Kernel& kernel, Loader& loader, const std::vector<std::filesystem::path>& folders);
    ~Watch();   ///< stops
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    void start();
    /// Lets a reload that runs come to its end, for which shards have to run still.
    void stop();

private:
    using Clock = std::chrono::steady_clock;
    using Files = std::set<std::filesystem::path>;
    using Modules = std::vector<ModuleInfo>;

    void run();
    void look();
    void note(const Files& written);
    Duration time_left() const;
    void judge(const Files& files, bool is_last_chance);
    void reload(const Modules& modules);

    Kernel& kernel_;
    Loader& loader_;
    const std::unique_ptr<NamedLog> log_;
    WatchedFolders folders_;
    Files written_;   // and not judged yet
    Files torn_;      // when they were judged
    Files refused_;   // since the last reload
    Clock::time_point first_written_, last_written_, last_torn_;
    std::atomic<bool> stopping_{false}, ended_{false};
    std::thread thread_;
};

}   // namespace tambo
