// bench-load: load on an XMPP server, and the relay that is the floor for all of them. See man/performance.md.
#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "commands.hpp"

namespace {

using namespace bench;

using Command = bool (*)(Run&);

const std::map<std::string_view, Command> commands{
    {"login", &login}, {"register", &register_all}, {"idle", &idle},   {"chat", &chat}, {"offline", &offline},
    {"herd", &herd},   {"presence", &presence},     {"churn", &churn},
};

void take_all_descriptors() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

}   // namespace

int main(int argc, char** argv) {
    const auto options = read_options(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000UL);   // a microsecond: `--mode rate` has to be on time
    take_all_descriptors();
    try {
        if (options.command == "relay") return relay(options) ? 0 : 1;
        Run run{options};
        return commands.at(options.command)(run) ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench-load: %s\n", error.what());
        return 2;
    }
}
