// How many sessions fit, and whether it gets slower: up to a million users in one process, through the in-memory
// transport, with roster, presence and XEP-0198 on. Each logs in, asks for its roster, becomes available, and sleeps.
//
//   million [--sizes 1000,10000,100000,1000000] [--operations N] [--csv]
//
// Memory is what malloc has given out more than before, and what the process has grown by (PSS), for each session; both
// ends of its pipe are in it, with the room that its login took there. Operations are CPU time from a write to a read:
// a hundred users write to others drawn at random from all, and any change their presence, so that it is cold where
// they arrive. The store is in memory, and whoever asks is let in with the one password.
//
// "Chase" is the control: reading at random places of as much memory, each place known only from what was read at the
// one before. Nothing can take a way through cold memory faster than so many of those. tests/bench/flat.py counts what
// an operation does, instructions and lines of cold memory, whatever the machine.
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <malloc.h>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <tambo/client.hpp>
#include <tambo/server.hpp>
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view password = "secret";
constexpr std::size_t at_once = 500;   // users that do something before the server works it off
constexpr std::size_t writers = 100;

/// Knows everybody, by one password of one round.
class Everybody final : public Module, public AuthProvider {
public:
    void wire(Wiring& w) override { w.provide(static_cast<AuthProvider*>(this)); }
    Task<Result<Credentials>> look_up(Jid) override { co_return known_; }
    Task<Result<bool>> exists(Jid) override { co_return true; }
    Task<Result<Nothing>> set(Jid, Credentials, bool) override { co_return fail(Condition::not_allowed); }
    Task<Result<Nothing>> remove(Jid) override { co_return fail(Condition::not_allowed); }
    Task<Result<std::vector<std::string>>> accounts(std::string, std::size_t) override {
        co_return std::vector<std::string>{};
    }

private:
    Credentials known_{{derive_scram("SHA-256", password, "salt", 1)}};
};

struct Wishes {
    std::vector<std::size_t> sizes{1000, 10'000, 100'000, 1'000'000};
    std::size_t operations = 50'000;
    bool wants_csv = false;
};

/// Of the whole process.
struct Memory {
    std::size_t given = 0, proportional = 0;

    static Memory now() {
        const auto arena = mallinfo2();
        return {arena.uordblks + arena.hblkhd, pss()};
    }

private:
    static std::size_t pss() {
        std::ifstream file{"/proc/self/smaps_rollup"};
        for (std::string word; file >> word;) {
            std::size_t kib = 0;
            if (word == "Pss:" && file >> kib) return kib * 1024;
        }
        return 0;
    }
};

double cpu_us() { return static_cast<double>(std::clock()) * 1e6 / CLOCKS_PER_SEC; }

/// One access after the other, each where only the one before says, all over so much memory.
class Chase {
public:
    explicit Chase(std::size_t bytes) : lines_(std::max<std::size_t>(bytes / sizeof(Line), 1)) {}

    double ns() const {
        std::uint64_t place = 42;
        const auto began = cpu_us();
        for (std::size_t i = 0; i < steps; ++i)   // what is read is 0, which the processor can't know before
            place = place * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U + line(place).word;
        const auto spent = cpu_us() - began;
        return place == 0 ? 0 : spent * 1e3 / steps;
    }

private:
    static constexpr std::size_t steps = 2'000'000;
    struct alignas(64) Line {
        std::uint64_t word = 0;
    };
    const Line& line(std::uint64_t place) const noexcept { return lines_[(place >> 20) % lines_.size()]; }
    std::vector<Line> lines_;
};

class Crowd {
public:
    explicit Crowd(Server& server) : server_(server), before_(Memory::now()) {}

    void grow_to(std::size_t size) {
        const auto began = cpu_us();
        const auto come = static_cast<double>(size - pipes_.size());
        pipes_.reserve(size);
        while (pipes_.size() < size) let_in(std::min(at_once, size - pipes_.size()));
        login_us_ = (cpu_us() - began) / come;
    }

    struct Figures {
        std::size_t sessions;
        double given, proportional, login, lookup, message, presence, chase;   ///< bytes; microseconds; nanoseconds
    };
    Figures measure(std::size_t operations) {
        malloc_trim(0);
        const auto now = Memory::now();
        const auto each = [this](std::size_t more, std::size_t less) {
            return (static_cast<double>(more) - static_cast<double>(less)) / static_cast<double>(pipes_.size());
        };
        Figures figures{pipes_.size(),
                        each(now.given, before_.given),
                        each(now.proportional, before_.proportional),
                        login_us_,
                        0,
                        0,
                        0,
                        0};
        figures.lookup = look_up(operations);
        figures.message = message(operations);
        figures.presence = presence(operations);
        figures.chase = Chase{figures.sessions * static_cast<std::size_t>(figures.given)}.ns();
        return figures;
    }

private:
    // --- functions of their own, which flat.py knows by their names

    /// Of no further consequence where it arrives: what is left is finding the way.
    [[gnu::noinline]] double look_up(std::size_t operations) {
        return do_so(operations, [this](std::size_t from, std::size_t to) {
            say(from % writers, fmt::format("<message to='u{}@localhost/nowhere' type='error'/>", to));
        });
    }

    [[gnu::noinline]] double message(std::size_t operations) {
        return do_so(operations, [this](std::size_t from, std::size_t to) {
            say(from % writers,
                fmt::format("<message to='u{}@localhost/r' type='chat'><body>Wherefore art thou?</body></message>",
                            to));
            hear_.push_back(to);
        });
    }

    [[gnu::noinline]] double presence(std::size_t operations) {
        return do_so(operations, [this](std::size_t from, std::size_t) {
            say(from, "<presence><show>away</show></presence>");
            hear_.push_back(from);
        });
    }

    template <class Operation>
    [[gnu::noinline]] void timed(Operation& operation) {
        std::uniform_int_distribution<std::size_t> anybody{0, pipes_.size() - 1};
        for (std::size_t i = 0; i < at_once; ++i) operation(anybody(draw_), anybody(draw_));
        settle();
        for (const auto who : hear_) heard_bytes_ += pipes_[who].read().size();
    }

    void settle() {
        while (server_.poll(Duration::zero()) > 0) {
        }
    }

    void say(std::size_t who, std::string_view xml) {
        if (pipes_[who].write(xml) != xml.size()) throw std::runtime_error{"a pipe is full or closed"};
    }

    void let_in(std::size_t count) {
        const auto first = pipes_.size();
        for (std::size_t i = first; i < first + count; ++i) {
            pipes_.push_back(server_.connect_in_process());
            got_.push_back(1);   // its own presence, when it has <enabled/>
            say(i, all_of_a_login(i));
        }
        std::string heard;
        for (std::size_t i = first; i < first + count; ++i) {
            heard.clear();
            while (heard.find("<enabled") == std::string::npos || heard.find("<presence") == std::string::npos) {
                server_.poll(Duration{1});
                heard += pipes_[i].read();
                if (pipes_[i].at_end()) throw std::runtime_error{"the server has closed: " + heard};
            }
            acknowledge(i);
        }
        settle();
    }

    void acknowledge(std::size_t who) { say(who, fmt::format("<a xmlns='urn:xmpp:sm:3' h='{}'/>", got_[who])); }

    static std::string all_of_a_login(std::size_t number) {
        constexpr std::string_view header =
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "
            "to='localhost'>";
        const auto proof = base64(fmt::format("{}u{}{}{}", '\0', number, '\0', password));
        return fmt::format(
            "{}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>{}"
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>"
            "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><enable xmlns='urn:xmpp:sm:3'/>"
            "<presence><show>chat</show></presence>",
            header, proof, header);
    }

    /// CPU time of each.
    template <class Operation>
    double do_so(std::size_t operations, Operation operation) {
        double spent = 0;
        for (std::size_t done = 0; done < operations; done += at_once) {
            hear_.clear();
            const auto began = cpu_us();
            timed(operation);
            spent += cpu_us() - began;
            for (const auto who : hear_) ++got_[who];
            for (const auto who : hear_) acknowledge(who);
            settle();
        }
        return spent / static_cast<double>(operations);
    }

    Server& server_;
    const Memory before_;
    std::vector<Pipe> pipes_;
    std::vector<std::uint32_t> got_;   // stanzas that each was sent
    std::vector<std::size_t> hear_;    // of this round
    std::size_t heard_bytes_ = 0;
    double login_us_ = 0;
    std::mt19937_64 draw_{42};   // NOLINT: the same users in each run
};

void print(const Crowd::Figures& f, bool wants_csv) {
    constexpr auto* row = "{:>9} {:>12.0f} {:>10.0f} {:>10.1f} {:>10.2f} {:>11.2f} {:>12.2f} {:>9.1f}\n";
    constexpr auto* line = "{},{:.0f},{:.0f},{:.1f},{:.2f},{:.2f},{:.2f},{:.1f}\n";
    fmt::print(fmt::runtime(wants_csv ? line : row), f.sessions, f.given, f.proportional, f.login, f.lookup, f.message,
               f.presence, f.chase);
    std::fflush(stdout);
}

Config configuration() {
    Config config;
    config.domain("localhost").set("server", "data", "");
    config.set("server", "module_path", TAMBO_BINARY_DIR "/modules, " TAMBO_BINARY_DIR "/plugins");
    config.set("server", "plugins", "store_memory");
    for (const auto* module : {"sasl", "bind", "stream_management", "roster", "presence"}) config.module(module);
    config.set("limits", "read_rate", "0");
    config.set("module stream_management", "ack_timeout", "24h");   // who sleeps here does not hear <r/>
    config.set("module stream_management", "probe_after", "0s");
    return config;
}

Wishes read_wishes(const std::vector<std::string_view>& words) {
    Wishes wishes;
    const auto number = [](std::string_view digits) {
        std::size_t n = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), n);
        if (n == 0) throw std::runtime_error{fmt::format("\"{}\": expected a number", digits)};
        return n;
    };
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool has_value = i + 1 < words.size();
        if (words[i] == "--csv") {
            wishes.wants_csv = true;
        } else if (words[i] == "--operations" && has_value) {
            wishes.operations = number(words[++i]);
        } else if (words[i] == "--sizes" && has_value) {
            wishes.sizes.clear();
            for (auto rest = words[++i]; !rest.empty();) {
                const auto comma = std::min(rest.find(','), rest.size());
                wishes.sizes.push_back(number(rest.substr(0, comma)));
                rest.remove_prefix(std::min(comma + 1, rest.size()));
            }
        } else {
            throw std::runtime_error{"usage: million [--sizes N,N,…] [--operations N] [--csv]"};
        }
    }
    return wishes;
}

void run(const Wishes& wishes) {
    Server::Options options;
    options.own_threads = false;
    options.log = [](Level, std::string_view) {};
    options.modules.push_back({"everybody", "1", [] { return std::make_unique<Everybody>(); }});
    Server server{configuration(), std::move(options)};
    server.start();
    fmt::print("{}",
               wishes.wants_csv
                   ? "sessions,malloc_bytes,pss_bytes,login_us,lookup_us,message_us,presence_us,chase_ns\n"
                   : " sessions malloc bytes  PSS bytes   login us  lookup us  message us  presence us  chase ns\n");
    {
        Crowd crowd{server};
        for (const auto size : wishes.sizes) {
            crowd.grow_to(size);
            print(crowd.measure(wishes.operations), wishes.wants_csv);
        }
        server.stop();
        server.wait();
    }
}

}   // namespace

int main(int argc, char** argv) {
    try {
        run(read_wishes({argv + 1, argv + argc}));
        return 0;
    } catch (const std::exception& e) {
        fmt::print(stderr, "million: {}\n", e.what());
        return 1;
    }
}
