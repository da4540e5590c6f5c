// For host programs: a server as an object (man 3 tambo-embed).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/command.hpp>
#include <tambo/export.hpp>
#include <tambo/log.hpp>
#include <tambo/option.hpp>
#include <tambo/result.hpp>
#include <tambo/session.hpp>
#include <tambo/stanza.hpp>
#include <tambo/store.hpp>

namespace tambo {

/// A sentence that an operator can act on: `tambo.ini:14: [module roster] "grace = fast": expected a duration such as
/// 5s`.
class TAMBO_API ConfigError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Sections with keys and values, each remembering where it was written. Filled from an ini file or by hand.
class TAMBO_API Config {
public:
    struct Entry {
        std::string key, value;
        int line = 0;   ///< 0: not from a file
    };
    struct Section {
        std::string name;   ///< "server", "listener c2s", "module roster", "host example.org"
        int line = 0;
        std::vector<Entry> entries;
    };

    Config() = default;
    /// Reads a file; ConfigError names file and line.
    static Config load(const std::filesystem::path& file);
    static Config parse(std::string_view text, std::string name);

    /// By hand: `config.set("server", "domain", "capulet.lit")`.
    Config& set(std::string_view section, std::string_view key, std::string_view value);
    Config& domain(std::string_view name);
    Config& listen(std::string_view address, std::uint16_t port);   ///< plain port with STARTTLS
    Config& module(std::string_view name);                          ///< loads a module or plugin
    Config& data(const std::filesystem::path& folder);
    /// Takes a key over from another configuration, or a whole section if `key` is empty; it goes if it is not there.
    Config& adopt(const Config& from, std::string_view section, std::string_view key = {});

    const std::string& file() const noexcept { return file_; }   ///< empty if made by hand
    const std::vector<Section>& sections() const noexcept { return sections_; }
    const Section* find(std::string_view section) const noexcept;
    const Entry* find(std::string_view section, std::string_view key) const noexcept;
    /// Where an entry was written, for messages: `tambo.ini:14: [module roster]`.
    std::string where(std::string_view section, const Entry& entry) const;

private:
    std::string file_;
    std::vector<Section> sections_;
};

/// What `tambod --check` and tambo.ini(5) know of an option.
struct OptionInfo {
    std::string section, name, type, fallback, help;
};

/// Something that happened to a module: "loaded", "swapped: version 1.1 (generation 7)", "10 faults within 10 s on
/// shard 0".
struct ModuleEvent {
    Time time{};
    std::string what;
};

/// A module as the operator sees it.
struct ModuleInfo {
    std::string name, version;
    std::string state;   ///< "live", "built in", "on probation", "rebuilding", "left out", "draining", "pinned"
    std::string file;
    std::string note;   ///< why it is in that state; empty if that needs no words
    std::uint64_t generation = 0, faults = 0, image_bytes = 0;
    std::vector<ModuleEvent> history;   ///< the latest twenty, oldest first
};

/// One module of a swap.
struct SwappedModule {
    std::string module, version;
    std::uint64_t generation = 0;
    std::uint64_t state_bytes = 0;   ///< of save(), all shards together
    std::uint64_t slots = 0;         ///< of sessions and accounts, which the new version goes on with
    bool unmapped = false;           ///< the old image is gone from memory
    std::string old_image;           ///< its fate: "unmapped", "draining: 2 tasks", "pinned"; empty if there was none
};

/// What a swap did, phase by phase. Several modules may be swapped at once: all of them, or none.
struct SwapReport {
    bool done = false;                  ///< false: what runs is untouched
    std::string module, step, reason;   ///< failed step, of which module, and why; step and reason are empty if done
    std::string version;                ///< of the new build; if several modules were swapped: of the first
    std::uint64_t generation = 0;
    double prepare_ms = 0;      ///< copy, check, map, construct, wire: nobody waits
    double meet_ms = 0;         ///< from calling the shards until the last one has gone on
    double pause_ms = 0;        ///< the longest that one shard stood still
    double retire_ms = 0;       ///< until the fate of the old image was known
    std::uint64_t waited = 0;   ///< stanzas that were read in the first round after it; at most:
    double waited_max_ms = 0, waited_p99_ms = 0;
    bool unmapped = false;                ///< the old image is gone from memory
    std::vector<SwappedModule> modules;   ///< in the order of their needs; empty if it was refused
};

/// `report` in a sentence for the operator; without the module's name.
TAMBO_API std::string in_words(const SwapReport& report);

/// A session as the operator sees it.
struct SessionInfo {
    std::string jid;       ///< full
    std::string address;   ///< the peer's; empty while it has no connection
    std::string codec;     ///< "xml", "funxmpp", "funxmpp-page"
    std::string show;      ///< "available", "away", "chat", "dnd", "xa", "unavailable"
    int priority = 0;
    bool is_connected = false, is_secure = false;
    Time since{}, active{};
    Traffic traffic;
    std::uint64_t waiting = 0;   ///< stanzas sent and not yet acknowledged
};

/// What a module costs, added up over shards.
struct ModuleFigures {
    std::string name, version;
    std::uint64_t calls = 0;         ///< of its handlers; both are estimates from one turn in many
    std::uint64_t nanoseconds = 0;   ///< spent in them, without what they called in other modules
    std::uint64_t faults = 0, generation = 0;
    std::uint64_t image_bytes = 0;   ///< mapped for its code and data
    std::string state{};             ///< as ModuleInfo has it
    std::uint64_t restarts = 0;      ///< on single shards, after too many faults
    std::uint64_t roll_backs = 0;    ///< to the version before, after faults soon after a swap
};

/// A figure that a module counts (Wiring::counter, Wiring::gauge), added up over shards.
struct Figure {
    std::string module, name, help;
    bool only_rises = true;
    double value = 0;
};

/// A count of durations by upper bound, as Prometheus has it.
struct Histogram {
    std::vector<double> bounds;          ///< seconds, rising
    std::vector<std::uint64_t> counts;   ///< one more than bounds; not cumulative
    double sum = 0;                      ///< seconds
};

/// A swap that was tried, and when.
struct SwapRecord {
    Time time{};
    std::string kind;   ///< "load", "reload", "unload"
    SwapReport report;
};

/// Everything that the status page, the metrics endpoint and `tamboctl stats` show; one moment's look.
struct Stats {
    struct Wire {
        std::string codec;
        std::uint64_t bytes_in = 0, bytes_out = 0;
        std::int64_t saved_in = 0, saved_out = 0;   ///< bytes that XML would have taken more
    };
    struct Kinds {
        std::uint64_t messages = 0, presences = 0, iqs = 0;
    };
    Time started{}, now{};
    std::string version;
    std::uint64_t connections = 0, sessions = 0, detached = 0, accounts_in_memory = 0, shards = 0;
    Kinds in, out;
    std::vector<Wire> wires;
    std::uint64_t resident_bytes = 0;   ///< of the process
    std::uint64_t store_waiting = 0;    ///< requests that the store thread has yet to answer
    Histogram commits;                  ///< how long a group commit took
    std::vector<ModuleFigures> modules;
    std::vector<Figure> figures;
    std::vector<SwapRecord> swaps;   ///< the latest hundred, oldest first
    std::uint64_t swaps_done = 0, swaps_refused = 0, pinned_images = 0;
};

/// Stats for programs (RFC 8259): what /status.json and `tamboctl stats --json` say.
TAMBO_API std::string to_json(const Stats& stats);

/// Something that differs between two configurations, and what became of it.
struct ConfigChange {
    enum class Fate : std::uint8_t {
        applied,           ///< in effect
        new_connections,   ///< in effect for those who come from now on
        restart,           ///< not in effect: needs a restart
        refused            ///< not in effect: what was there before stays
    };
    std::string what;   ///< "module roster", "[log] level"
    Fate fate = Fate::applied;
    std::string text;   ///< for people: "its options changed; version 0.2.0 (generation 9) is live"
};

/// What came of a new configuration, change by change.
struct ConfigReport {
    bool done = false;    ///< false: it is not well formed, and nothing at all was changed
    std::string reason;   ///< then: file, line and what is wrong there
    std::vector<ConfigChange> changes;
};

/// The clock of a server; tests bring their own.
class TAMBO_API Clock {
public:
    virtual ~Clock();
    virtual Time now() const noexcept = 0;
    virtual Duration steady() const noexcept = 0;
};

class Module;
class Pipe;

/// A module that is part of the program: written like any other (man 7 tambo-modules), but linked into it, so that its
/// constructor can be given whatever the program wants to share. Made once for each shard, at start-up, where its
/// options ([module NAME]) are read, too; `make` may throw what a module's constructor may. Such a module stays as long
/// as the server: it cannot be swapped.
struct HostModule {
    std::string name, version;
    std::function<std::unique_ptr<Module>()> make;
    bool only_if_named = false;   ///< loaded where [server] modules or plugins name it, instead of always
};

/// The modules that tambo_link_modules() has linked into this program, for Options::modules: they are there without
/// files, and loaded where the configuration names them. That CMake function defines it.
std::vector<HostModule> linked_modules();

/// Remembers which module ran when the process died. The library installs no signal handlers: a program that wants such
/// notes gives one of these to its server (Options::crash_note) and calls write() in its own handlers of SIGSEGV,
/// SIGABRT and their like. The note is kept in the data folder. The next start tells of it, and leaves out a module
/// that was there too often ([kernel] blame).
class TAMBO_API CrashNote {
public:
    /// Async-signal-safe. To be called on the thread that the signal came to, before anything else, once.
    void write(int signal) const noexcept;

private:
    friend class CrashNotes;
    std::atomic<int> file_{-1};                   // while its server has a data folder and has not stopped
    std::atomic<const char*> suspect_{nullptr};   // the module in which a shard stands still
};

/// One XMPP server. Several can live in one process. It installs no signal handlers, writes to no standard stream
/// unless the configuration says so, never changes the working directory, never exits.
class TAMBO_API Server {
public:
    /// A TCP socket that listens already (systemd, a privileged parent). The server owns it from now on.
    struct Socket {
        std::string listener;
        int descriptor = -1;
    };
    struct Options {
        std::shared_ptr<Clock> clock;                            ///< default: the system's
        std::function<void(Level, std::string_view line)> log;   ///< default: as [log] says
        bool manual_timers = false;                              ///< timers run only in advance() (tests)
        /// false: no shard or supervisor has a thread; there is one shard, and the program runs everything in poll().
        /// What waits for disks and hashes passwords still has threads.
        bool own_threads = true;
        std::vector<Socket> sockets{};       ///< ready-made, for the listeners of those names
        std::vector<HostModule> modules{};   ///< loaded behind those that the configuration names, in this order
        CrashNote* crash_note = nullptr;     ///< outlives the server, and the program's signal handlers
    };

    /// Reads the configuration, loads modules, opens listeners. Throws ConfigError or std::runtime_error with a
    /// sentence.
    explicit Server(Config config);
    Server(Config config, Options options);
    ~Server();   ///< stops, if it still runs
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Lets the server's own threads work until stop(); returns when all is closed and kept.
    void run();
    void start();           ///< the same, without blocking
    void stop();            ///< from any thread or from a handler; run() returns soon after
    void wait();            ///< after start(): returns when stop() was called and all is kept
    void wait_for_stop();   ///< only for stop(): the program has something to do before wait()

    /// With Options::own_threads = false, after start(): does what there is to do, or waits for it, but no longer than
    /// that; says how much it did. Always from one thread at a time, the one that start() was called from until another
    /// one polls. On that thread all functions that wait for something (add_user(), reload(), Client::ready(), …) go on
    /// working meanwhile; don't call them from a callback or a module. After stop(), wait() does the rest.
    std::size_t poll(Duration at_most);
    /// All shards do their work? The error says which one stands still, and in what module.
    Result<Nothing> ping(Duration patience);

    /// The port that a listener, or "http", got (for port 0). 0 if there is no such listener.
    std::uint16_t port(std::string_view listener) const;
    std::vector<std::pair<std::string, std::uint16_t>> ports() const;   ///< of all listeners, by name

    std::vector<ModuleInfo> modules() const;
    SwapReport load(std::string_view module);
    SwapReport reload(std::string_view module);
    /// Several at once, in the order of their needs: all of them, or none. With `reload_all`, everything that was
    /// loaded from a file; with `reload_changed`, what differs from its file as it is now. None at all is "done", too.
    SwapReport reload_together(const std::vector<std::string>& modules);
    SwapReport reload_all();
    SwapReport reload_changed();
    /// Swaps to another file (tests, `tamboctl reload NAME FILE`).
    SwapReport reload(std::string_view module, const std::filesystem::path& file);
    SwapReport unload(std::string_view module);
    /// Looks for renewed certificates and opens the log file anew; what SIGHUP asks for.
    void refresh();
    /// Makes a running server follow another configuration, or its own file as it is now: modules whose options changed
    /// are swapped, others loaded and unloaded as the lists say, each of them altogether or not at all; log and
    /// certificates follow at once; for everything else the report says what it needs.
    ConfigReport reload_config(const Config& config);
    ConfigReport reload_config();
    Level log_level() const;

    /// Writes all that the store keeps at one moment into a new file, while everything goes on (tambo::restore brings
    /// it back). Takes as long as it takes. Throws std::runtime_error with a sentence.
    void backup(const std::filesystem::path& file);

    /// Done when it is kept. conflict: the account exists.
    Result<Nothing> add_user(std::string_view bare_jid, std::string_view password);
    /// item-not-found: there is no such account. The same for remove_user, which takes away everything that it had.
    Result<Nothing> set_password(std::string_view bare_jid, std::string_view password);
    Result<Nothing> remove_user(std::string_view bare_jid);
    /// Removes an account, and asks the store itself what there was of it and what is left.
    struct Erased {
        std::vector<TableCount> before, after;   ///< `after` is empty unless something is very wrong
    };
    Result<Erased> erase_user(std::string_view bare_jid);
    /// Bare JIDs of all accounts, in order, behind `after`.
    Result<std::vector<std::string>> users(std::string_view after = {}, std::size_t limit = 1000);

    /// Sessions of all accounts, or of one (`bare_jid`), or one of them (a full JID).
    std::vector<SessionInfo> sessions(std::string_view jid = {});
    /// Ends the session, or all sessions of a bare JID, with a stream error; how many there were.
    Result<std::size_t> kick(std::string_view jid, std::string_view why);
    /// Routes a stanza as if its `from` had sent it; `from` is one of our domains or an account here.
    Result<Nothing> send(Stanza stanza);
    /// Sends a copy to each available session; how many there were.
    std::size_t broadcast(const Stanza& stanza);

    /// What modules offer (Wiring::command).
    std::vector<Command> commands();
    /// Gives one. With an empty `call.who` the caller is the operator. Errors as Host::give has them.
    Result<CommandResult> give(std::string_view node, CommandCall call);

    /// From any thread except a shard's, like everything above.
    Stats stats();
    void set_log_level(Level level);

    struct Count {
        std::uint64_t sessions = 0, connections = 0, accounts = 0, stanzas_in = 0, stanzas_out = 0, bytes_in = 0,
                      bytes_out = 0;
    };
    Count count() const;

    /// A client's connection from this process, byte by byte; Client (tambo/client.hpp) is more comfortable.
    Pipe connect_in_process();

    /// Moves a manual clock's timers on: runs everything that is due (Options::manual_timers).
    void advance();
    /// Returns when all shards have worked off what they had to do so far (tests).
    void settle();

    /// All options that the kernel and the loaded modules declared.
    std::vector<OptionInfo> options() const;

private:
    friend class Client;
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// Where a server of this configuration listens; the listener of [http] is called "http". For a program that opens the
/// sockets, and goes on holding them while servers come and go (`tambod --supervise`). Throws ConfigError.
struct Endpoint {
    std::string listener, address;   ///< an IP address, or "*"
    std::uint16_t port = 0;
    bool operator==(const Endpoint&) const = default;
};
TAMBO_API std::vector<Endpoint> endpoints(const Config& config);
/// Opens such a socket, as the server itself would. Throws std::runtime_error with a sentence.
TAMBO_API Server::Socket open_socket(const Endpoint& endpoint);

/// Checks a configuration as the server would, modules included, without starting anything. Returns the complaints.
TAMBO_API std::vector<std::string> check(const Config& config, Server::Options options = {});

/// Puts a backup in the place of what this configuration's store keeps, while no server runs. Gives the name under
/// which the old data still lies; empty if there was none. Throws ConfigError or std::runtime_error with a sentence.
TAMBO_API std::filesystem::path restore(const Config& config, const std::filesystem::path& file);

TAMBO_API std::string_view version() noexcept;

}   // namespace tambo
