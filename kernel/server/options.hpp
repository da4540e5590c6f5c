// The kernel's own settings, read like a module's options: typed, with defaults, checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/jid.hpp>
#include <tambo/log.hpp>
#include <tambo/option.hpp>
#include <tambo/server.hpp>
#include <tambo/store.hpp>

namespace tambo {

/// [server]. Paths are absolute: relative ones in the ini count from the ini's folder, others from the working
/// directory.
struct ServerSettings {
    List domains;                                    ///< `domain`, then those of [host …]; prepared; never empty
    std::filesystem::path data = "/var/lib/tambo";   ///< empty: nothing is kept; the default of a Config made by hand
    std::filesystem::path run;   ///< default: data/run; empty: a temporary folder, should one be needed
    std::filesystem::path
        control;               ///< the control socket; default: run/tambo.sock, and none for a Config made by hand
    unsigned threads = 0;      ///< 0: one for each core
    std::vector<Jid> admins;   ///< bare; who may give commands for administrators
    List modules, plugins;     ///< names, in the order of the ini
    std::vector<std::filesystem::path>
        module_path;   ///< searched in order for NAME.so; empty: where tambo is installed
};

/// [limits]. Where it says so, 0 means no limit.
struct LimitSettings {
    std::size_t stanza_bytes_before_auth = std::size_t{10} << 10;
    std::size_t stanza_bytes = std::size_t{256} << 10;
    unsigned depth = 64;
    unsigned attributes = 64;

    std::size_t connections = 100'000;            ///< 0: no limit
    std::size_t connections_per_address = 1000;   ///< 0: no limit
    unsigned sessions_per_account = 50;           ///< 0: no limit

    unsigned auth_failures = 5;                ///< in one stream
    unsigned auth_failures_per_address = 30;   ///< in auth_window; 0: no limit
    Duration auth_window = std::chrono::minutes{1};
    unsigned registrations_per_address = 10;   ///< in registration_window; 0: no limit
    Duration registration_window = std::chrono::hours{1};

    Duration negotiation_time = std::chrono::seconds{60};   ///< from the connection to a bound resource
    Duration keepalive = std::chrono::minutes{5};           ///< silence after which TCP probes the peer; 0: never
    Duration send_timeout = std::chrono::seconds{60};   ///< how long a peer may take nothing of what waits; 0: for ever

    std::size_t handshakes = 4;                       ///< of TLS in a row, before everything else gets its turn
    std::size_t handshakes_waiting = 10'000;          ///< on each shard; more are turned away
    Duration head_start = std::chrono::seconds{10};   ///< of clients with a ticket before others

    std::size_t send_queue = std::size_t{8} << 20;   ///< bytes that may wait for one peer
    std::size_t read_rate = std::size_t{1} << 20;    ///< bytes a second from one session; 0: no limit
    std::size_t read_burst = std::size_t{4} << 20;   ///< what a session may send at once before read_rate slows it
    std::size_t address_rate = 0;   ///< bytes a second from all connections of one address; 0: no limit
    std::size_t address_burst = std::size_t{16} << 20;   ///< what an address may send at once before address_rate
};

/// [tls]
struct TlsSettings {
    std::filesystem::path certificate, key;   ///< for all domains without their own; both or none
    std::filesystem::path folder;             ///< where a self-signed certificate goes; default: data/certs
    bool allow_tls12 = true;                  ///< min_version = 1.2
    std::string ciphers;                      ///< TLS 1.2 list; empty: our own choice
    std::size_t sessions = 20'000;            ///< size of the resumption cache
};

/// [kernel]: how the kernel treats its modules.
struct KernelSettings {
    bool watch = false;   ///< a module whose file changes is reloaded
    unsigned blame = 3;   ///< crashes of the process for which a module stays out of the next start; 0: never
    Duration blame_window = std::chrono::minutes{10};   ///< within which they count
    unsigned faults = 10;   ///< of a module on a shard, within fault_window, before it is rebuilt; 0: any number
    Duration fault_window = std::chrono::seconds{10};
    unsigned restarts = 5;   ///< without a quiet minute in between; then it is left out
    Duration restart_wait = std::chrono::seconds{1}, restart_wait_max = std::chrono::seconds{60};
    Duration probation = std::chrono::seconds{30};     ///< of a version after its swap
    unsigned probation_faults = 3;                     ///< with which it goes back to the one before; 0: never
    Duration slow_handler = std::chrono::seconds{2};   ///< longer ones are named in the log; 0: nobody looks
    Duration remember = std::chrono::seconds{10};      ///< how often the state is taken to which modules are rebuilt
};

/// [journal]: messages that must not be lost.
struct JournalSettings {
    Durability durability = Durability::fast;
    Duration commit_window{20};   ///< the longest that something may wait for others to be committed with
};

/// [log]
struct LogSettings {
    enum class Format : std::uint8_t { text, json };

    Level level = Level::info;
    std::string target = "stderr";   ///< "stderr", "stdout" or an absolute path
    Format format = Format::text;
};

/// [listener NAME]
struct ListenerSettings {
    enum class Kind : std::uint8_t { starttls, tls, any };

    std::string name;
    Kind kind = Kind::starttls;
    std::string address = "*";     ///< an IP address, or "*" for all of both families
    std::uint16_t port = 5222;     ///< 0: any free one
    bool plaintext_auth = false;   ///< let clients log in without TLS
};

/// What Server::port() and Server::Socket call the one of [http].
constexpr std::string_view http_listener = "http";

/// [http]
struct HttpSettings {
    std::string address;   ///< an IP address, or "*" for all of both families; empty: no HTTP
    std::uint16_t port = 0;
    std::size_t max_header = std::size_t{8} << 10;
    std::size_t max_body = std::size_t{64} << 10;
    unsigned connections = 64;
    Duration deadline = std::chrono::seconds{10};   ///< for a request to come, for a reply to be taken
};

/// [host DOMAIN]
struct HostSettings {
    std::string domain;                       ///< prepared
    std::filesystem::path certificate, key;   ///< both or none
};

struct Settings {
    ServerSettings server;
    KernelSettings kernel;
    JournalSettings journal;
    LimitSettings limits;
    TlsSettings tls;
    LogSettings log;
    /// "c2s" on 5222 and "c2s-tls" on 5223 if none is configured in a file; none if a Config made by hand names none.
    std::vector<ListenerSettings> listeners;
    HttpSettings http;
    std::vector<HostSettings> hosts;   ///< one for each domain, in the order of ServerSettings::domains
};

/// Reads and checks all of the kernel's own sections. What it asked for is added to `declared`. Throws ConfigError.
/// Looks at no file and opens nothing: whether a certificate exists is for whoever loads it.
Settings read_settings(const Config& config, std::vector<OptionInfo>& declared);

/// The names of those sections, for complaints(): "server", "kernel", …, "http", "listener *", "host *".
std::vector<std::string> kernel_sections();

/// As the ini has it, "90s"; nullopt if it is none.
std::optional<Duration> read_duration(std::string_view text);

/// For values that only their user can judge: throws ConfigError with
/// `tambo.ini:7: [server] "modules = rooster": why`. Works for keys that are not written, too.
[[noreturn]] void refuse(const Config& config, std::string_view section, std::string_view key, std::string_view why);

}   // namespace tambo
