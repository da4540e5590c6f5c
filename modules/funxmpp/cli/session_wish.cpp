#include "session_wish.hpp"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>

#include <CLI/CLI.hpp>

namespace tambo::funxmpp {

namespace {

constexpr std::uint16_t tls_port = 5223, plain_port = 5222;

/// As it was typed.
struct Said {
    std::string account, password_file, host;
    std::uint16_t port = 0;
    bool starttls = false, plain = false;
};

/// From a file or the environment: what stands on a command line is for every user of the machine to read.
std::string password_from(const std::string& file) {
    if (file.empty()) {
        const char* known = std::getenv("FUNXMPP_PASSWORD");   // NOLINT(concurrency-mt-unsafe): there is one thread
        if (known == nullptr) throw CLI::RequiredError("--password-file, or FUNXMPP_PASSWORD in the environment,");
        return known;
    }
    std::ifstream in;
    if (file != "-") in.open(file);
    std::string password;
    if (!std::getline(file == "-" ? std::cin : in, password) || password.empty())
        throw CLI::FileError(file + " holds no password");
    return password;
}

void take_account(const std::string& jid, LoginWish& login) {
    const auto at = jid.find('@');
    const auto slash = jid.find('/');
    if (at == std::string::npos || at == 0 || at > slash || at + 1 == std::min(slash, jid.size()))
        throw CLI::ValidationError("--account", "expected user@domain, perhaps with /resource");
    login.credentials.user = jid.substr(0, at);
    login.credentials.domain = jid.substr(at + 1, slash == std::string::npos ? slash : slash - at - 1);
    if (slash != std::string::npos) login.resource = jid.substr(slash + 1);
}

void complete(const Said& said, SessionWish& wish) {
    take_account(said.account, wish.login);
    wish.login.credentials.password = password_from(said.password_file);
    wish.login.wants_starttls = said.starttls;
    wish.login.may_be_plain = said.plain;
    auto& target = wish.target;
    target.name = wish.login.credentials.domain;
    target.host = said.host.empty() ? target.name : said.host;
    target.begins_with_tls = !said.starttls && !said.plain;
    target.port = said.port != 0 ? said.port : target.begins_with_tls ? tls_port : plain_port;
    if (said.starttls && wish.login.entry == Entry::direct) wish.login.entry = Entry::compress;
}

void add_connection_options(CLI::App& app, Said& said, SessionWish& wish) {
    app.add_option("-a,--account", said.account, "user@domain[/resource] to log in as")
        ->envname("FUNXMPP_ACCOUNT")
        ->required();
    app.add_option("--password-file", said.password_file, "file whose first line is the password; - is standard input");
    app.add_option("--host", said.host, "where to connect to, instead of the domain");
    app.add_option("--port", said.port, "instead of 5223, or 5222 with --starttls and --plain");
    auto* starttls = app.add_flag("--starttls", said.starttls, "begin with XML and STARTTLS, instead of TLS");
    app.add_flag("--plain", said.plain, "no TLS at all: only for tests")->excludes(starttls);
    app.add_option("--ca", wish.target.ca_file, "certificates to trust, in PEM, instead of the system's");
    app.add_flag("--insecure", wish.target.is_unchecked, "take any certificate: only for tests");
    const std::map<std::string, Entry> entries{
        {"direct", Entry::direct}, {"compress", Entry::compress}, {"xml", Entry::xml}};
    app.add_option("--wire", wish.login.entry,
                   "direct: FunXMPP from the first byte (compress with --starttls); compress: as a stream feature; xml")
        ->transform(CLI::CheckedTransformer(entries));
    const std::map<std::string, Dialect> dialects{{"page", Dialect::page}, {"classic", Dialect::classic}};
    app.add_option("--dialect", wish.login.dialect, "page or classic")->transform(CLI::CheckedTransformer(dialects));
    app.add_flag("--json", wish.is_json, "say it in JSON, one object a line");
    app.add_option_function<unsigned>(
           "--timeout", [&](unsigned seconds) { wish.timeout = std::chrono::seconds{seconds}; },
           "seconds that login, sending and each answer may take (30)")
        ->check(CLI::Range(1U, 86400U));
}

}   // namespace

int understand(int count, const char* const* words, SessionWish& wish) {
    CLI::App app{"funxmpp-cli - an XMPP client that speaks FunXMPP (funxmpp-cli(1))", "funxmpp-cli"};
    app.require_subcommand(1);
    Said said;
    auto* login = app.add_subcommand("login", "log in, say what was agreed upon, and leave");
    auto* send = app.add_subcommand("send", "send a message, and wait until the server has it");
    auto* listen = app.add_subcommand("listen", "be online, and print a line for each message");
    for (auto* verb : {login, send, listen}) add_connection_options(*verb, said, wish);
    send->add_option("JID", wish.to, "to whom")->required();
    send->add_option("TEXT", wish.text, "what")->required();
    send->add_flag("--receipt", wish.wants_receipt, "wait until the recipient's device has it, too (XEP-0184)");
    listen->add_option("--count", wish.count, "end after so many messages");
    try {
        app.parse(count, words);
        wish.verb = send->parsed() ? Verb::send : listen->parsed() ? Verb::listen : Verb::login;
        complete(said, wish);
    } catch (const CLI::ParseError& error) {
        constexpr int not_understood = 2;
        return app.exit(error) == 0 ? 0 : not_understood;
    }
    return -1;
}

}   // namespace tambo::funxmpp
