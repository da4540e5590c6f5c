#include "options.hpp"

#include <cstdlib>

#include <CLI/CLI.hpp>

namespace bench {

namespace {

void add_common(CLI::App& app, Options& options) {
    app.add_option("--host", options.host, "on loopback only")->capture_default_str();
    app.add_option("--port", options.port)->capture_default_str();
    app.add_option("--domain", options.domain)->capture_default_str();
    app.add_option("--prefix", options.prefix, "accounts are PREFIX0, PREFIX1 …")->capture_default_str();
    app.add_option("--password", options.password, "passwords are PASSWORD0, PASSWORD1 …")->capture_default_str();
    app.add_option("--first", options.first, "number of the first account")->capture_default_str();
    app.add_option("--n", options.count, "accounts")->capture_default_str();
    app.add_option("--concurrency", options.concurrency, "logins under way")->capture_default_str();
    app.add_option("--timeout", options.timeout, "seconds that logging in, storing or delivering may take");
    app.add_option("--pids", options.pids, "the server's processes, to be accounted")->delimiter(',');
    app.add_option("--auth", options.mechanism)->check(CLI::IsMember({"plain", "scram"}));
    app.add_option("--scram-keys", options.scram_keys, "a file that keeps the clients' keys from run to run");
    app.add_flag("--tls", options.tls, "STARTTLS, TLS 1.3");
    app.add_flag("--funxmpp", options.funxmpp, "FunXMPP with the page from the first byte");
    app.add_flag("--sm", options.management, "XEP-0198");
    app.add_flag("--roster", options.roster, "ask for it");
}

void add_measured(CLI::App& app, Options& options) {
    app.add_option("--time", options.time, "seconds to measure")->capture_default_str();
    app.add_option("--warm-up", options.warm_up, "seconds before that")->capture_default_str();
    app.add_option("--drain", options.drain, "chat: seconds that messages may take to come in at last");
    app.add_option("--mode", options.mode, "chat")->check(CLI::IsMember({"ping", "sat", "rate"}));
    app.add_option("--pairs", options.pairs, "chat")->capture_default_str();
    app.add_option("--window", options.window, "chat --mode sat, offline: messages under way")->capture_default_str();
    app.add_option("--size", options.size, "bytes of a body")->check(CLI::Range(48, 100000));
    app.add_option("--rate", options.rate, "chat --mode rate: messages a second")->capture_default_str();
    app.add_option("--every", options.every, "chat: a line of figures each so many seconds");
    app.add_option("--senders", options.senders, "offline")->check(CLI::PositiveNumber);
    app.add_option("--recipients", options.recipients, "offline")->check(CLI::PositiveNumber);
    app.add_option("--each", options.each, "offline: messages for each recipient")->capture_default_str();
    app.add_option("--contacts", options.contacts, "presence: of each user")->capture_default_str();
    app.add_option("--broadcasts", options.broadcasts, "presence: of each user")->capture_default_str();
    app.add_option("--fault", options.fault, "relay: what it does wrong")
        ->check(CLI::IsMember({"drop", "repeat", "swap"}));
    app.add_option("--fault-every", options.fault_every, "relay: … each so many messages");
}

}   // namespace

Options read_options(int argc, char** argv) {
    Options options;
    CLI::App app{"bench-load - load on an XMPP server on this machine; each command prints one JSON object"};
    app.add_option("command", options.command)
        ->required()
        ->check(CLI::IsMember({"login", "register", "idle", "chat", "offline", "herd", "presence", "churn", "relay"}));
    add_common(app, options);
    add_measured(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    return options;
}

}   // namespace bench
