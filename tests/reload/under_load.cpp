// Everybody talks while everything is swapped: nobody is dropped, nothing is lost, repeated or out of order, and
// nothing of old versions stays. A short run is part of the tests; `under_load --help` says how to make it long.
#include <atomic>
#include <charconv>
#include <cstdio>
#include <exception>
#include <memory>
#include <poll.h>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "load/crowd.hpp"
#include "load/reloads.hpp"
#include "load/tambod.hpp"

namespace {

using namespace load;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;   // whose runtimes keep memory for their own reasons
#else
constexpr bool is_sanitized = false;
#endif

struct Wishes {
    CrowdSize crowd;
    std::size_t reloads = 300, seconds = 0;
    unsigned seed = 1, threads = 2;
    std::string build = TAMBO_BINARY_DIR, only, without;
    bool keep = false, flat = !is_sanitized;
};

constexpr std::string_view usage = R"(usage: under_load [OPTION VALUE]...
  --reloads N    how often a module is swapped, or all of them at once (300)
  --seconds N    go on for that long, however many reloads it takes
  --pairs N      pairs who exchange messages all the time (100); every fourth with XEP-0198 and cut cables
  --absent N     pairs of whom one logs out and in, so that messages wait for it (10)
  --visitors N   clients who log in, look around and log out (16)
  --funxmpp N    how many in a hundred of them speak FunXMPP (30)
  --pause MS     from one question of a client to the next; 0: as fast as answers come (50)
  --window N     questions without answer at a time (4)
  --threads N    shards (2)
  --only NAME    swap nothing but this module
  --without NAME swap everything but this module
  --seed N       of all that is random (1)
  --build DIR    where tambod is
  --flat no      don't judge memory, mappings and descriptors (the default under sanitizers)
  --keep yes     leave the server's folder behind
)";

std::size_t number(std::string_view text) {
    std::size_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size())
        throw std::invalid_argument{fmt::format("{}: expected a number", text)};
    return n;
}

Wishes read_wishes(const std::vector<std::string_view>& words) {
    Wishes w;
    for (std::size_t i = 0; i < words.size(); i += 2) {
        if (i + 1 == words.size()) throw std::invalid_argument{std::string{usage}};
        const auto name = words[i], value = words[i + 1];
        if (name == "--reloads")
            w.reloads = number(value);
        else if (name == "--seconds")
            w.seconds = number(value);
        else if (name == "--pairs")
            w.crowd.pairs = number(value);
        else if (name == "--absent")
            w.crowd.absent = number(value);
        else if (name == "--visitors")
            w.crowd.visitors = number(value);
        else if (name == "--funxmpp")
            w.crowd.funxmpp_percent = number(value);
        else if (name == "--pause")
            w.crowd.pause = std::chrono::milliseconds{number(value)};
        else if (name == "--window")
            w.crowd.window = number(value);
        else if (name == "--threads")
            w.threads = static_cast<unsigned>(number(value));
        else if (name == "--only")
            w.only = value;
        else if (name == "--without")
            w.without = value;
        else if (name == "--seed")
            w.seed = static_cast<unsigned>(number(value));
        else if (name == "--build")
            w.build = value;
        else if (name == "--flat")
            w.flat = value != "no";
        else if (name == "--keep")
            w.keep = true;
        else
            throw std::invalid_argument{std::string{usage}};
    }
    return w;
}

void allow_many_descriptors() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void say(const Ledger& l, const Reloads& reloads, double seconds) {
    fmt::print("under load: {} reloads in {:.1f} s ({:.1f}/s), {} refused\n", reloads.done(), seconds,
               static_cast<double>(reloads.done()) / seconds, reloads.refused());
    fmt::print("  messages {} ({:.0f}/s), logins {} ({} tried again), resumptions {}, returns {}, requests {}\n",
               l.messages.load(), static_cast<double>(l.messages) / seconds, l.logins.load(), l.retried_logins.load(),
               l.resumptions.load(), l.returns.load(), l.requests.load());
    fmt::print("  dropped {}, lost {}, repeated {}, out of order {}, refused {}\n", l.dropped.load(), l.lost.load(),
               l.repeated.load(), l.out_of_order.load(), l.refused.load());
    const auto tell = [](std::string_view when, const Times& t) {
        fmt::print("  round trip {}: p50 {:.2f} ms, p99 {:.2f} ms, max {:.2f} ms ({} of them)\n", when,
                   t.quantile_ms(0.5), t.quantile_ms(0.99), t.max_ms(), t.count());
    };
    tell("before reloads", l.quiet);
    tell("during reloads", l.reloading);
    fmt::print("{}", reloads.summary());
    fmt::print("{}{}", l.complaints(), reloads.complaints());
}

/// All clients gone, nothing of old versions may be left: within the time that tasks have to end.
bool is_tidy(const Tambod& server, std::size_t modules) {
    constexpr int patience_glances = 2000, glance_ms = 20;
    for (int left = patience_glances; left > 0 && server.images() != modules; --left) ::poll(nullptr, 0, glance_ms);
    if (server.images() == modules) return true;
    fmt::print("  {} images are mapped for {} modules\n", server.images(), modules);
    return false;
}

bool run(const Wishes& wishes) {
    constexpr std::uint64_t messages_to_compare_with = 10;   // of each talker, before the first reload
    allow_many_descriptors();
    Tambod server{wishes.build, wishes.threads, {}};
    if (wishes.keep) server.keep_folder();
    Crowd crowd{server, wishes.crowd, wishes.seed};
    Reloads reloads{server, wishes.seed, wishes.only, wishes.without};
    const auto modules = server.modules().size();

    std::thread clients{[&] { crowd.run(); }};
    bool went_well = true;
    auto start = Clock::now();
    try {
        crowd.await_everybody();
        crowd.await_talk(messages_to_compare_with);
        start = Clock::now();
        crowd.expect_reloads();
        reloads.perform(wishes.reloads, std::chrono::seconds{wishes.seconds}, [&] { return crowd.is_hopeless(); });
    } catch (const std::exception& e) {
        fmt::print("FAILED: {}\n", e.what());
        went_well = false;
    }
    const auto seconds = std::chrono::duration<double>(Clock::now() - start).count();
    crowd.end();
    clients.join();
    say(crowd.ledger(), reloads, seconds);
    const bool is_alive = server.is_alive();
    if (is_alive) went_well = is_tidy(server, modules) && went_well;
    const int code = server.stop();
    if (code != 0) fmt::print("  tambod ended with {}\n", code);
    went_well = went_well && is_alive && code == 0 && crowd.ledger().is_clean() && reloads.refused() == 0;
    if (wishes.flat && !reloads.is_flat()) went_well = false;
    if (!went_well) fmt::print("{}\nFAILED\n", tail(server.log()));
    return went_well;
}

}   // namespace

int main(int argc, char** argv) {
    try {
        return run(read_wishes({argv + 1, argv + argc})) ? 0 : 1;
    } catch (const std::invalid_argument& e) {
        fmt::print(stderr, "{}\n", e.what());
        return 2;
    } catch (const std::exception& e) {
        fmt::print(stderr, "under_load: {}\n", e.what());
        return 1;
    }
}
