// The server as a program: its command line, its signals; nothing else.
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <CLI/CLI.hpp>

#include <tambo/server.hpp>

#include "crash.hpp"
#include "supervise.hpp"
#include "systemd.hpp"

namespace {

constexpr const char* default_file = "/etc/tambo/tambo.ini";

int check(const std::string& file) {
    const auto complaints = tambo::check(tambo::Config::load(file));
    for (const auto& c : complaints) std::fprintf(stderr, "%s\n", c.c_str());
    if (complaints.empty()) std::printf("%s: fine\n", file.c_str());
    return complaints.empty() ? 0 : 1;
}

int restore(const std::string& file, const std::string& backup) {
    const auto old = tambo::restore(tambo::Config::load(file), backup);
    std::printf("%s is restored\n", backup.c_str());
    if (!old.empty()) std::printf("what was there before: %s\n", old.c_str());
    return 0;
}

std::string status(const tambo::Server& server) {
    std::string ports;
    for (const auto& [listener, port] : server.ports()) ports += (ports.empty() ? "" : ", ") + std::to_string(port);
    return std::to_string(server.modules().size()) + " modules, ports " + (ports.empty() ? "none" : ports);
}

// SIGHUP: the ini is read again, certificates are looked at, the log file is opened anew. What changed is logged.
void refresh(tambo::Server& server) {
    systemd::reloading();
    try {
        server.refresh();
        if (const auto report = server.reload_config(); !report.done)
            std::fprintf(stderr, "tambod: %s; nothing was changed\n", report.reason.c_str());
    } catch (const std::exception& e) {
        std::fprintf(stderr, "tambod: %s; everything else goes on\n", e.what());
    }
    systemd::ready(status(server));
}

// Signals are taken by one thread of our own; the library never touches them.
int serve(const std::string& file) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int s : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, s);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);   // a file that may not grow is a full disk; the library's own threads block it

    tambo::Server::Options options;
    options.sockets = systemd::sockets();
    options.crash_note = &crash::note_signals();
    tambo::Server server{tambo::Config::load(file), std::move(options)};
    server.start();
    systemd::ready(status(server));
    std::optional<systemd::Watchdog> watchdog{server};
    std::thread listener{[&] {
        for (int signal = 0; sigwait(&signals, &signal) == 0;) {
            if (signal != SIGHUP) break;
            refresh(server);
        }
        server.stop();
    }};
    server.wait_for_stop();
    systemd::stopping();
    watchdog.reset();
    server.wait();
    // tamboctl stop: the listener still waits in sigwait(), which takes the signal before it can end anything.
    pthread_kill(listener.native_handle(), SIGTERM);   // NOLINT(bugprone-bad-signal-to-kill-thread)
    listener.join();
    return 0;
}

}   // namespace

int main(int argc, char** argv) {
    CLI::App app{"tambod - an XMPP server whose every feature can be swapped while people chat"};
    std::string file = default_file, backup;
    bool only_check = false, supervised = false;
    app.add_option("-c,--config,file", file, "the ini file")->capture_default_str();
    auto* check_flag =
        app.add_flag("--check", only_check, "look for mistakes in the ini file and in the modules, start nothing");
    auto* restoring = app.add_option("--restore", backup,
                                     "put a backup (tamboctl backup) in the place of the store's data, start nothing");
    app.add_flag("--supervise", supervised,
                 "serve in a child process; hold its ports, and start it again when it dies by a signal")
        ->excludes(check_flag)
        ->excludes(restoring);
    app.set_version_flag("--version", std::string{"tambod "} + std::string{tambo::version()});
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    try {
        if (!backup.empty()) return restore(file, backup);
        if (only_check) return check(file);
        return supervised ? supervise::run(file) : serve(file);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "tambod: %s\n", e.what());
        return 1;
    }
}
