// What all shards of one server share. Nothing here belongs to the process: two servers can live in one.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <tambo/server.hpp>

#include "net/crowd.hpp"
#include "net/gate.hpp"
#include "net/tls.hpp"
#include "route/origin.hpp"
#include "server/crash_note.hpp"
#include "server/data_lock.hpp"
#include "server/fault_desk.hpp"
#include "server/figures.hpp"
#include "server/log.hpp"
#include "server/options.hpp"
#include "server/scratch_folder.hpp"
#include "store/store_service.hpp"

namespace tambo {

namespace asio = boost::asio;

class Shard;

/// Made by Server, before any shard; destroyed after the last one. Members are safe to use from every shard unless they
/// say otherwise.
struct Kernel {
    Kernel(Config config, Server::Options options);
    ~Kernel();

    const Config config;
    std::vector<OptionInfo> declared;   ///< the loader's, under its lock
    const Settings settings;
    const DataLock data_lock;   ///< before anything of the folder is touched, until nothing uses it any more
    const std::shared_ptr<Clock> clock;
    CrashNotes crash_notes;   ///< the loader's, under its lock
    FigureBoard board;
    FaultDesk desk;
    Logger logger;
    std::unique_ptr<NamedLog> log;   ///< the kernel's own lines
    TlsStore tls;
    Gate gate;
    Crowd crowd;
    StoreService store;
    asio::thread_pool pool;   ///< password hashing and whatever else would hold up a shard
    const bool manual_timers;
    const std::vector<HostModule> host_modules;
    const Bytes master_secret;                ///< 32 bytes, kept in the data folder
    std::shared_ptr<ScratchFolder> scratch;   ///< made by run_folder(); shared with who has to outlive the last image
    std::vector<std::unique_ptr<Shard>> shards;
    std::atomic<std::uint64_t> connections{0};
    std::atomic<bool> running{false};   ///< shards have threads
    std::atomic<bool> stopping{false};
    Origins origins;
    std::atomic<std::int64_t> unrestored{1};   ///< accounts whose sessions may still come back; 0: all are there
    std::atomic<bool> is_closed{false};        ///< nobody is let in: a drain
    Server* server = nullptr;                  ///< for modules; null while a configuration is only checked
    const Time started;

    Shard& home(const Jid& jid) noexcept;   ///< the shard on which that account lives
    /// Runs `job` on every shard, at the same time, and waits. From any thread but a shard's.
    void on_each_shard(const std::function<void(Shard&)>& job);
    void on_shard(unsigned index, const std::function<void(Shard&)>& job);   ///< the same, on one
    /// The caller is the thread that runs the loop (Options::own_threads = false): what it wants to wait for, it has to
    /// do itself, by pump().
    bool runs_loop() const noexcept;
    std::function<void(Duration)> pump;   ///< works off what is there, or the first thing that comes until then
    bool is_pumping = false;              ///< that thread's: it waits for something, with locks held maybe
    /// Where copies of modules go: [server] run, or a temporary folder. One thread at a time (the loader's).
    std::filesystem::path run_folder();
    List module_names() const;   ///< plugins, modules, the host's: in the order of loading
    bool is_local(std::string_view domain) const noexcept;
    bool is_admin(const Jid& jid) const noexcept;
    Bytes secret(std::string_view purpose) const;
    /// A copy that stays for as long as the server: breadcrumbs may outlive the module that they name.
    const char* lasting_name(const std::string& name);

private:
    std::mutex names_lock_;
    std::set<std::string> names_;
};

/// Version of libtambo, "0.1.0".
std::string_view version() noexcept;

}   // namespace tambo
