// Talks to a running server through its control socket (tamboctl(1)).
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>

#include "ctl/new_module.hpp"

namespace {

constexpr const char* default_socket = "/run/tambo/tambo.sock";
constexpr int not_understood = 2;
constexpr int not_reachable = 3;

// Needs no server.
int new_module(const std::vector<std::string>& words) {
    try {
        tambo::ctl::new_module(words);
        return 0;
    } catch (const std::invalid_argument& e) {
        std::fprintf(stderr, "tamboctl: %s\n", e.what());
        return not_understood;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "tamboctl: %s\n", e.what());
        return 1;
    }
}

int connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return -1;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int s = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s >= 0 && ::connect(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return s;
    if (s >= 0) ::close(s);
    return -1;
}

bool send_all(int s, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::send(s, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

std::string read_all(int s) {
    std::string all;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(s, buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<std::size_t>(n));
    return all;
}

}   // namespace

int main(int argc, char** argv) {
    CLI::App app{"tamboctl - tells a running tambod what to do; `tamboctl help` lists the commands"};
    const char* from_environment = std::getenv("TAMBO_SOCKET");   // NOLINT(concurrency-mt-unsafe): one thread
    std::string path = from_environment != nullptr ? from_environment : default_socket;
    bool json = false;
    std::vector<std::string> words;
    app.add_option("--socket", path, "the control socket")->capture_default_str();
    app.add_flag("--json", json, "answer in JSON");
    app.add_option("command", words, "what to do, with its arguments")->required();
    app.positionals_at_end(false);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : not_understood;
    }

    if (words.front() == "new-module") return new_module(words);
    const int s = connect_to(path);
    if (s < 0) {
        std::fprintf(stderr, "tamboctl: nobody answers at %s: %s\n", path.c_str(),
                     std::strerror(errno));   // NOLINT(concurrency-mt-unsafe): one thread
        return not_reachable;
    }
    std::string request;
    for (const auto& w : words) request += (request.empty() ? "" : "\x1f") + w;
    if (json) request += "\x1f--json";
    if (!send_all(s, request + "\n")) return not_reachable;
    const auto answer = read_all(s);
    ::close(s);
    const auto line = answer.find('\n');
    if (line == std::string::npos) {
        std::fprintf(stderr, "tamboctl: the server ended before it answered\n");
        return not_reachable;
    }
    const int code = std::atoi(answer.c_str());
    std::fputs(answer.c_str() + line + 1, code == 0 ? stdout : stderr);
    return code;
}
