// For host programs: a server as an object (man 3 tambo-embed).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/export.hpp>
#include <tambo/log.hpp>
#include <tambo/option.hpp>
#include <tambo/result.hpp>
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

/// A module as the operator sees it.
struct ModuleInfo {
    std::string name, version, state, file, note;
    std::uint64_t generation = 0, faults = 0;
};

/// What a swap did, phase by phase.
struct SwapReport {
    bool done = false;                  ///< false: the running version is untouched
    std::string module, step, reason;   ///< failed step and why; empty if done
    std::string version;
    std::uint64_t generation = 0;
    double prepare_ms = 0, pause_ms = 0, retire_ms = 0;
    bool unmapped = false;   ///< the old image is gone from memory
};

/// The clock of a server; tests bring their own.
class TAMBO_API Clock {
public:
    virtual ~Clock();
    virtual Time now() const noexcept = 0;
    virtual Duration steady() const noexcept = 0;
};

/// One XMPP server. Several can live in one process. It installs no signal handlers, writes to no standard stream
/// unless the configuration says so, never changes the working directory, never exits.
class TAMBO_API Server {
public:
    struct Options {
        std::shared_ptr<Clock> clock;                            ///< default: the system's
        std::function<void(Level, std::string_view line)> log;   ///< default: as [log] says
        bool manual_timers = false;                              ///< timers run only in advance() (tests)
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
    void start();   ///< the same, without blocking
    void stop();    ///< from any thread or from a handler; run() returns soon after
    void wait();    ///< after start(): returns when stop() was called and all is kept

    /// The port that a listener got (for port 0). 0 if there is no such listener.
    std::uint16_t port(std::string_view listener) const;

    std::vector<ModuleInfo> modules() const;
    SwapReport load(std::string_view module);
    SwapReport reload(std::string_view module);
    /// Swaps to another file (tests, `tamboctl reload NAME FILE`).
    SwapReport reload(std::string_view module, const std::filesystem::path& file);
    SwapReport unload(std::string_view module);
    /// Looks for renewed certificates and opens the log file anew; what SIGHUP asks for.
    void refresh();

    /// Done when it is kept. conflict: the account exists.
    Result<Nothing> add_user(std::string_view bare_jid, std::string_view password);
    /// item-not-found: there is no such account. The same for remove_user, which takes away everything that it had.
    Result<Nothing> set_password(std::string_view bare_jid, std::string_view password);
    Result<Nothing> remove_user(std::string_view bare_jid);
    struct Count {
        std::uint64_t sessions = 0, connections = 0, accounts = 0, stanzas_in = 0, stanzas_out = 0, bytes_in = 0,
                      bytes_out = 0;
    };
    Count count() const;

    /// A client in this process: one end of a socket pair that the server treats as a connection that needs no TLS.
    /// The caller owns the descriptor.
    int connect_in_process();

    /// Moves a manual clock's timers on: runs everything that is due (Options::manual_timers).
    void advance();
    /// Returns when all shards have worked off what they had to do so far (tests).
    void settle();

    /// All options that the kernel and the loaded modules declared.
    std::vector<OptionInfo> options() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// Checks a configuration as the server would, modules included, without starting anything. Returns the complaints.
TAMBO_API std::vector<std::string> check(const Config& config);

TAMBO_API std::string_view version() noexcept;

}   // namespace tambo
