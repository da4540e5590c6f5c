// Talks to a running server through its control socket (tamboctl(1)).
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

#include "ctl/client.hpp"
#include "ctl/local.hpp"
#include "server/json.hpp"

namespace {

constexpr const char* default_socket = "/run/tambo/tambo.sock";

struct Asked {
    std::string path = default_socket;
    bool json = false;
    tambo::ctl::Words words;
};

// What stands behind the first word of the command is for the server to judge, options included.
void parse(Asked& asked, CLI::App& app, int argc, char** argv) {
    if (const char* known = std::getenv("TAMBO_SOCKET")) asked.path = known;   // NOLINT(concurrency-mt-unsafe)
    app.add_option("--socket", asked.path, "the control socket")->capture_default_str();
    app.add_flag("--json", asked.json, "answer in JSON");
    app.prefix_command();
    app.parse(argc, argv);
    asked.words = app.remaining();
    if (std::erase(asked.words, "--json") != 0) asked.json = true;
    if (asked.words.empty()) throw CLI::RequiredError("a command");
}

int complain(const Asked& asked, tambo::ctl::Exit code, const char* why) {
    if (asked.json)
        std::printf("%s\n", tambo::Json{}.object().member("done", false).member("reason", why).end().take().c_str());
    else
        std::fprintf(stderr, "tamboctl: %s\n", why);
    return code;
}

}   // namespace

int main(int argc, char** argv) {
    using namespace tambo;
    CLI::App app{"tamboctl - tells a running tambod what to do; `tamboctl help` lists the commands"};
    Asked asked;
    try {
        parse(asked, app, argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? ctl::done : ctl::not_understood;
    }
    try {
        return ctl::carry_out(ctl::Client{asked.path}, asked.words, asked.json);
    } catch (const ctl::Unreachable& e) {
        return complain(asked, ctl::not_reachable, e.what());
    } catch (const std::invalid_argument& e) {
        return complain(asked, ctl::not_understood, e.what());
    } catch (const std::exception& e) {
        return complain(asked, ctl::refused, e.what());
    }
}
