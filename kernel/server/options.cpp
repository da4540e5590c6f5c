#include "server/options.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include <tambo/jid.hpp>

#include "module/construction.hpp"
#include "server/option_kinds.hpp"

namespace tambo {

namespace {

namespace fs = std::filesystem;

/// One section of the ini: what is in the field is the default, what the ini says replaces it.
class SectionReader {
public:
    SectionReader(const Config& config, std::string section, std::vector<OptionInfo>& declared)
        : here_(nullptr, config, std::move(section), declared) {}

    template <class T>
        requires requires { Kind<T>::name; }
    void read(T& field, std::string_view key, std::string_view help) {
        field = declare_as(key, std::move(field), help);
    }

    template <std::unsigned_integral T>
    void count(T& field, std::string_view key, std::string_view help, std::uint64_t least,
               std::uint64_t most = std::numeric_limits<std::uint32_t>::max()) {
        most = std::min<std::uint64_t>(most, std::numeric_limits<T>::max());
        const auto number = declare_as(key, static_cast<std::int64_t>(field), help);
        if (number < 0 || static_cast<std::uint64_t>(number) < least || static_cast<std::uint64_t>(number) > most)
            refuse(key, fmt::format("expected a whole number from {} to {}", least, most));
        field = static_cast<T>(number);
    }

    void bytes(std::size_t& field, std::string_view key, std::string_view help, std::uint64_t least) {
        const auto size = declare_as(key, Size{field}, help);
        if (size.bytes < least) refuse(key, fmt::format("expected at least {}", Kind<Size>::write(Size{least})));
        field = size.bytes;
    }

    void time(Duration& field, std::string_view key, std::string_view help, Duration least) {
        read(field, key, help);
        if (field < least) refuse(key, fmt::format("expected at least {}", Kind<Duration>::write(least)));
    }

    /// Relative paths count from the folder of the ini. Without an entry: `otherwise`, shown as `shown_default`.
    void path(fs::path& field, std::string_view key, std::string_view help, const fs::path& otherwise = {},
              std::string shown_default = {}) {
        const auto text = declare_as(key, std::move(shown_default), help);
        const auto* entry = here_.config.find(here_.section, key);
        if (entry && text.empty() && !otherwise.empty()) refuse(key, "expected a path");
        field = entry ? absolute(text) : absolute(otherwise);
    }

    fs::path absolute(const fs::path& path) const {
        if (path.empty() || path.is_absolute()) return path;
        return fs::absolute(fs::path{here_.config.file()}.parent_path() / path).lexically_normal();
    }

    template <class T>
    void choose(T& field, std::string_view key, std::string_view help,
                std::initializer_list<std::pair<std::string_view, T>> choices) {
        std::string names, fallback;
        for (const auto& [name, value] : choices) {
            names += names.empty() ? "" : ", ";
            names += name;
            if (value == field) fallback = name;
        }
        const auto chosen = declare_as(key, std::move(fallback), help);
        const auto found = std::ranges::find(choices, chosen, &std::pair<std::string_view, T>::first);
        if (found == choices.end()) refuse(key, "expected one of: " + names);
        field = found->second;
    }

    [[noreturn]] void refuse(std::string_view key, std::string_view why) const {
        tambo::refuse(here_.config, here_.section, key, why);
    }

    /// Both paths or none.
    void certificate(fs::path& chain, fs::path& key, std::string_view whose) {
        path(chain, "certificate", fmt::format("certificate chain in PEM for {}, its own certificate first", whose));
        path(key, "key", "private key in PEM for that certificate, without a passphrase");
        if (chain.empty() != key.empty())
            refuse(chain.empty() ? "key" : "certificate", "expected certificate and key, both or none");
    }

private:
    Construction here_;
};

constexpr std::string_view domain_help = "domains that this server serves; the first one is the default";

constexpr std::string_view host_prefix = "host ", listener_prefix = "listener ";

[[noreturn]] void refuse_section(const Config& config, const Config::Section& section, std::string_view why) {
    throw ConfigError(fmt::format("{}: {}", config.where(section.name, {{}, {}, section.line}), why));
}

bool add_domain(List& domains, std::string name) {
    if (std::ranges::find(domains, name) != domains.end()) return false;
    domains.push_back(std::move(name));
    return true;
}

void add_listed_domain(const Config& config, List& domains, std::string_view text) {
    auto name = prepare_domain(text);
    if (!name) refuse(config, "server", "domain", fmt::format("\"{}\" is no domain: {}", text, name.error().text));
    add_domain(domains, std::move(*name));
}

// [server] domain and every [host …].
List read_domains(const Config& config, const List& listed) {
    List domains, hosts;
    for (const auto& text : listed) add_listed_domain(config, domains, text);
    for (const auto& section : config.sections()) {
        if (!section.name.starts_with(host_prefix)) continue;
        auto name = prepare_domain(std::string_view{section.name}.substr(host_prefix.size()));
        if (!name) refuse_section(config, section, "expected a domain: " + name.error().text);
        if (!add_domain(hosts, *name)) refuse_section(config, section, "another section is about this domain, too");
        add_domain(domains, std::move(*name));
    }
    if (domains.empty()) refuse(config, "server", "domain", "expected at least one domain, such as localhost");
    return domains;
}

void check_names(const SectionReader& section, std::string_view key, const List& names) {
    for (auto name = names.begin(); name != names.end(); ++name) {
        const bool is_plain = std::ranges::all_of(
            *name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; });
        if (!is_plain)
            section.refuse(key, fmt::format("\"{}\" is no name; expected a list such as roster, disco", *name));
        if (std::find(names.begin(), name, *name) != name) section.refuse(key, fmt::format("{} is there twice", *name));
    }
}

ServerSettings read_server(const Config& config, std::vector<OptionInfo>& declared) {
    SectionReader section{config, "server", declared};
    ServerSettings server;
    section.read(server.domains, "domain", domain_help);
    server.domains = read_domains(config, server.domains);
    // A program that says nothing of folders and sockets gets none.
    const bool by_hand = config.file().empty();
    section.path(server.data, "data", "folder for all that must survive a restart", by_hand ? fs::path{} : server.data,
                 server.data.string());
    section.path(server.run, "run", "folder for private copies of modules while they run",
                 server.data.empty() ? fs::path{} : server.data / "run", "DATA/run");
    section.path(server.control, "control", "socket on which tamboctl talks to the server, or none",
                 by_hand ? fs::path{} : server.run / "tambo.sock", "RUN/tambo.sock");
    if (const auto* entry = config.find("server", "control"); entry != nullptr && entry->value == "none")
        server.control.clear();
    section.count(server.threads, "threads", "shards, each with a thread of its own; 0: one for each core", 0, 1024);
    List admins;
    section.read(admins, "admins", "accounts (user@domain) that may give administrators' commands in their client");
    for (const auto& text : admins) {
        auto admin = Jid::parse(text);
        if (!admin || !admin->is_bare() || admin->local().empty())
            section.refuse("admins",
                           fmt::format("\"{}\" is no account; expected a list such as juliet@example.org", text));
        server.admins.push_back(std::move(*admin));
    }
    section.read(server.modules, "modules", "protocol features to load");
    check_names(section, "modules", server.modules);
    section.read(server.plugins, "plugins", "storage and authentication to load, before the modules");
    check_names(section, "plugins", server.plugins);
    List folders;
    section.read(folders, "module_path",
                 "folders that are searched for modules and plugins; empty: where tambo is installed");
    for (const auto& folder : folders) server.module_path.push_back(section.absolute(folder));
    return server;
}

void read_sizes(SectionReader& section, LimitSettings& limits) {
    section.bytes(limits.stanza_bytes_before_auth, "stanza_bytes_before_auth",
                  "longest element before a client is authenticated", 1024);
    section.bytes(limits.stanza_bytes, "stanza_bytes",
                  "longest stanza afterwards (RFC 6120 §13.12 asks for 10000 bytes)", 10000);
    section.count(limits.depth, "depth", "how deep elements may be nested in a stanza", 4, 10000);
    section.count(limits.attributes, "attributes", "how many attributes an element may have", 8, 10000);
    section.bytes(limits.send_queue, "send_queue", "bytes that may wait for one client before it is dropped", 64 << 10);
    section.bytes(limits.read_rate, "read_rate", "bytes a second that the server reads from one client; 0: no limit",
                  0);
    section.bytes(limits.read_burst, "read_burst",
                  "bytes that a client may send at once before read_rate slows it down", 1024);
    section.bytes(limits.address_rate, "address_rate",
                  "bytes a second that the server reads from all connections of one address (IPv6: of one /64) "
                  "together; 0: no limit",
                  0);
    section.bytes(limits.address_burst, "address_burst",
                  "bytes that an address may send at once before address_rate slows it down", 1024);
}

void read_counts(SectionReader& section, LimitSettings& limits) {
    section.count(limits.connections, "connections", "connections at a time; 0: no limit", 0);
    section.count(limits.connections_per_address, "connections_per_address",
                  "connections at a time from one address (IPv6: from one /64); 0: no limit", 0);
    section.count(limits.sessions_per_account, "sessions_per_account",
                  "resources of one account that may be online at a time; 0: no limit", 0);
    section.count(limits.auth_failures, "auth_failures", "failed logins after which a stream is closed", 1);
    section.count(limits.auth_failures_per_address, "auth_failures_per_address",
                  "failed logins from one address in auth_window, after which more are refused untried; 0: no limit",
                  0);
    section.count(limits.registrations_per_address, "registrations_per_address",
                  "accounts that one address may register in registration_window; 0: no limit", 0);
}

void read_admission(SectionReader& section, LimitSettings& limits) {
    section.count(limits.handshakes, "handshakes",
                  "TLS handshakes that a shard does in a row before everything else gets its turn", 1, 1000);
    section.count(limits.handshakes_waiting, "handshakes_waiting",
                  "clients that may wait for theirs on a shard; those who would go last are turned away", 1,
                  10'000'000);
    section.time(limits.head_start, "head_start",
                 "how much earlier than others a client counts as having come that resumes a TLS session", Duration{});
}

void read_times(SectionReader& section, LimitSettings& limits) {
    using namespace std::chrono_literals;
    section.time(limits.auth_window, "auth_window", "see auth_failures_per_address", 1s);
    section.time(limits.registration_window, "registration_window", "see registrations_per_address", 1s);
    section.time(limits.negotiation_time, "negotiation_time", "time from the connection to a bound resource", 1s);
    section.time(limits.keepalive, "keepalive",
                 "silence after which TCP asks whether the client is still there; 0: never", 0s);
    section.time(limits.send_timeout, "send_timeout",
                 "how long a client may take nothing of what waits for it before it is dropped; 0: for ever", 0s);
}

LimitSettings read_limits(const Config& config, std::vector<OptionInfo>& declared) {
    SectionReader section{config, "limits", declared};
    LimitSettings limits;
    read_sizes(section, limits);
    read_counts(section, limits);
    read_times(section, limits);
    read_admission(section, limits);
    if (limits.stanza_bytes_before_auth > limits.stanza_bytes)
        section.refuse("stanza_bytes_before_auth", "expected no more than stanza_bytes");
    return limits;
}

TlsSettings read_tls(const Config& config, const fs::path& data, std::vector<OptionInfo>& declared) {
    SectionReader section{config, "tls", declared};
    TlsSettings tls;
    section.certificate(tls.certificate, tls.key, "all domains without their own");
    section.path(tls.folder, "folder", "where a self-signed certificate is made if none is configured",
                 data.empty() ? fs::path{} : data / "certs", "DATA/certs");
    section.choose(tls.allow_tls12, "min_version", "oldest TLS version that clients may use",
                   {{"1.2", true}, {"1.3", false}});
    section.read(tls.ciphers, "ciphers", "cipher list for TLS 1.2 as OpenSSL writes it; empty: tambo's safe choice");
    section.count(tls.sessions, "sessions", "TLS sessions to remember, so that clients can resume them", 0, 10'000'000);
    return tls;
}

void read_fault_limits(SectionReader& section, KernelSettings& kernel) {
    constexpr Duration least{1};
    section.count(kernel.faults, "faults",
                  "a module that fails more often than this on a shard within fault_window is taken out of it, and "
                  "rebuilt later; 0: never",
                  0, 1000);
    section.time(kernel.fault_window, "fault_window", "see faults", least);
    section.count(kernel.restarts, "restarts",
                  "how often it is rebuilt without a quiet minute in between, before it is left out", 0, 1000);
    section.time(kernel.restart_wait, "restart_wait", "how long the first rebuild waits; each next one twice as long",
                 least);
    section.time(kernel.restart_wait_max, "restart_wait_max", "the longest such wait", least);
    section.time(kernel.probation, "probation", "how soon after a swap faults bring the version before back", least);
    section.count(kernel.probation_faults, "probation_faults", "how many faults do that; 0: none", 0, 1000);
    section.time(
        kernel.slow_handler, "slow_handler",
        "a module that holds a shard for so long is named in the log; if it does so again, that is a fault; 0s: "
        "nobody looks",
        Duration::zero());
    section.time(kernel.remember, "remember", "how often the state is taken from which modules are rebuilt", least);
}

KernelSettings read_kernel(const Config& config, std::vector<OptionInfo>& declared) {
    SectionReader section{config, "kernel", declared};
    KernelSettings kernel;
    section.read(kernel.watch, "watch", "reload a module when its file changes, for those who write modules");
    section.count(
        kernel.blame, "blame",
        "a module that ran at so many crashes of the process within blame_window stays out at the next start; "
        "0: never",
        0, 100);
    section.time(kernel.blame_window, "blame_window", "see blame", std::chrono::seconds{1});
    read_fault_limits(section, kernel);
    return kernel;
}

JournalSettings read_journal(const Config& config, std::vector<OptionInfo>& declared) {
    SectionReader section{config, "journal", declared};
    JournalSettings journal;
    section.choose(journal.durability, "durability", "what has to survive what: fast, commit or fsync",
                   {{"fast", Durability::fast}, {"commit", Durability::commit}, {"fsync", Durability::fsync}});
    section.time(journal.commit_window, "commit_window",
                 "how long a message may wait for its acknowledgement before it is written, with fast",
                 Duration::zero());
    return journal;
}

LogSettings read_log(const Config& config, std::vector<OptionInfo>& declared) {
    SectionReader section{config, "log", declared};
    LogSettings log;
    section.choose(
        log.level, "level", "least important lines to write",
        {{"debug", Level::debug}, {"info", Level::info}, {"warning", Level::warning}, {"error", Level::error}});
    section.read(log.target, "target", "where lines go: stderr, stdout or a file");
    if (log.target.empty()) section.refuse("target", "expected stderr, stdout or a file");
    if (log.target != "stderr" && log.target != "stdout") log.target = section.absolute(log.target).string();
    section.choose(log.format, "format", "text for people, json for programs (one object a line)",
                   {{"text", LogSettings::Format::text}, {"json", LogSettings::Format::json}});
    return log;
}

bool is_ip_address(const std::string& text) {
    in6_addr scratch{};
    return inet_pton(AF_INET, text.c_str(), &scratch) == 1 || inet_pton(AF_INET6, text.c_str(), &scratch) == 1;
}

// "[::1]" is how people write it beside a port.
std::string without_brackets(std::string text) {
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') return text.substr(1, text.size() - 2);
    return text;
}

ListenerSettings read_listener(const Config& config, const std::string& name, ListenerSettings listener,
                               std::vector<OptionInfo>& declared) {
    constexpr std::uint16_t direct_tls_port = 5223;
    SectionReader section{config, std::string{listener_prefix} + name, declared};
    listener.name = name;
    section.choose(listener.kind, "kind", "starttls, tls from the first byte (XEP-0368), or any: as the client begins",
                   {{"starttls", ListenerSettings::Kind::starttls},
                    {"tls", ListenerSettings::Kind::tls},
                    {"any", ListenerSettings::Kind::any}});
    section.read(listener.address, "address", "IP address to listen on; * for all");
    listener.address = without_brackets(std::move(listener.address));
    if (listener.address != "*" && !is_ip_address(listener.address))
        section.refuse("address", "expected an IP address such as 127.0.0.1, or *");
    if (listener.kind == ListenerSettings::Kind::tls) listener.port = direct_tls_port;
    section.count(listener.port, "port", "TCP port; 0: any free one", 0);
    section.read(listener.plaintext_auth, "plaintext_auth", "let clients log in without TLS: never on a real network");
    return listener;
}

std::vector<ListenerSettings> read_listeners(const Config& config, std::vector<OptionInfo>& declared) {
    std::vector<ListenerSettings> listeners;
    for (const auto& section : config.sections())
        if (section.name.starts_with(listener_prefix))
            listeners.push_back(read_listener(config, section.name.substr(listener_prefix.size()), {}, declared));
    if (!listeners.empty() || config.file().empty()) return listeners;
    ListenerSettings direct;
    direct.kind = ListenerSettings::Kind::tls;
    listeners.push_back(read_listener(config, "c2s", {}, declared));
    listeners.push_back(read_listener(config, "c2s-tls", direct, declared));
    return listeners;
}

// "127.0.0.1:5280", "[::1]:5280", "*:5280"; a port alone is one on the loopback.
bool read_endpoint(const std::string& text, HttpSettings& http) {
    const auto colon = text.rfind(':');
    const auto address = colon == std::string::npos ? "127.0.0.1" : text.substr(0, colon);
    const auto port =
        whole_number<std::uint16_t>(std::string_view{text}.substr(colon == std::string::npos ? 0 : colon + 1));
    http.address = without_brackets(address);
    if (!port || (http.address.contains(':') && http.address == address)) return false;   // IPv6 needs its brackets
    http.port = *port;
    return http.address == "*" || is_ip_address(http.address);
}

HttpSettings read_http(const Config& config, std::vector<OptionInfo>& declared) {
    using namespace std::chrono_literals;
    SectionReader section{config, "http", declared};
    HttpSettings http;
    std::string listen;
    section.read(listen, "listen",
                 "address and port, such as 127.0.0.1:5280; a port alone: on 127.0.0.1; empty: no HTTP");
    if (!listen.empty() && !read_endpoint(listen, http))
        section.refuse("listen", "expected an IP address and a port, such as 127.0.0.1:5280 or [::1]:5280");
    section.bytes(http.max_header, "max_header", "longest header of a request", 1024);
    section.bytes(http.max_body, "max_body", "longest body of a request", 0);
    section.count(http.connections, "connections", "connections at a time; more are closed at once", 1, 100'000);
    section.time(http.deadline, "deadline",
                 "time for a request to come and for its reply to be taken; a connection may be silent for as long",
                 1s);
    return http;
}

// The section that is about this domain, however it is spelt there.
std::string host_section(const Config& config, const std::string& domain) {
    for (const auto& section : config.sections()) {
        if (!section.name.starts_with(host_prefix)) continue;
        const auto name = prepare_domain(std::string_view{section.name}.substr(host_prefix.size()));
        if (name && *name == domain) return section.name;
    }
    return std::string{host_prefix} + domain;
}

HostSettings read_host(const Config& config, const std::string& domain, std::vector<OptionInfo>& declared) {
    SectionReader section{config, host_section(config, domain), declared};
    HostSettings host;
    host.domain = domain;
    section.certificate(host.certificate, host.key, "this domain");
    return host;
}

}   // namespace

Settings read_settings(const Config& config, std::vector<OptionInfo>& declared) {
    Settings settings;
    settings.server = read_server(config, declared);
    settings.kernel = read_kernel(config, declared);
    settings.journal = read_journal(config, declared);
    settings.limits = read_limits(config, declared);
    settings.tls = read_tls(config, settings.server.data, declared);
    settings.log = read_log(config, declared);
    settings.listeners = read_listeners(config, declared);
    settings.http = read_http(config, declared);
    for (const auto& domain : settings.server.domains) settings.hosts.push_back(read_host(config, domain, declared));
    return settings;
}

std::vector<std::string> kernel_sections() {
    return {"server", "kernel", "limits", "tls", "log", "http", "listener *", "host *"};
}

}   // namespace tambo
