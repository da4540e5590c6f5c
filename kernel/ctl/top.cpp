#include "ctl/top.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <map>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

#include "server/json.hpp"
#include "server/saving.hpp"

namespace tambo::ctl {

namespace {

constexpr std::size_t most_sessions = 20;

using Numbers = std::vector<std::uint64_t>;

/// What was said in a codec, by a session or by all of them, since it began.
struct Spoken {
    std::string codec;
    std::uint64_t bytes = 0;
    std::int64_t saved = 0;   ///< bytes that XML would have taken more
};

/// What the server had counted at one moment (commands.cpp, sample): the numbers behind each name.
struct Sample {
    Numbers server;   ///< milliseconds since 1970, sessions, connections, bytes in memory, store requests that wait
    std::map<std::string, Numbers> modules;    ///< calls, nanoseconds, faults
    std::map<std::string, Numbers> sessions;   ///< stanzas, bytes in, bytes out
    std::map<std::string, Spoken> spoken;      ///< by these sessions
    std::vector<Spoken> wires;
};

template <class Number = std::uint64_t>
Number number(std::string_view text) {
    Number n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
}

std::vector<std::string> columns(std::string_view line) {
    std::vector<std::string> all;
    for (;;) {
        const auto tab = line.find('\t');
        all.emplace_back(line.substr(0, tab));
        if (tab == std::string_view::npos) return all;
        line.remove_prefix(tab + 1);
    }
}

Numbers numbers(const std::vector<std::string>& from, std::size_t first, std::size_t count) {
    Numbers all(count);
    for (std::size_t i = 0; i < count && first + i < from.size(); ++i) all[i] = number(from[first + i]);
    return all;
}

Sample take_sample(const Client& client) {
    std::string said;
    if (client.ask({"sample"}, said) != done) throw std::runtime_error(said);
    Sample sample;
    sample.server.resize(5);
    for (std::string_view rest = said; !rest.empty();) {
        const auto end = rest.find('\n');
        const auto line = columns(rest.substr(0, end));
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (line[0] == "server") sample.server = numbers(line, 1, 5);
        if (line[0] == "module" && line.size() > 1) sample.modules[line[1]] = numbers(line, 2, 3);
        if (line[0] == "wire" && line.size() > 3)
            sample.wires.push_back({line[1], number(line[2]), number<std::int64_t>(line[3])});
        if (line[0] == "session" && line.size() > 6) {
            const auto& counted = sample.sessions[line[1]] = numbers(line, 2, 3);
            sample.spoken[line[1]] = {line[5], counted[1] + counted[2], number<std::int64_t>(line[6])};
        }
    }
    return sample;
}

struct ModuleRow {
    std::string name;
    double share, calls;   ///< of the time that passed (one core is 1); a second
    std::uint64_t faults;
};
struct SessionRow {
    std::string jid;
    Spoken spoken;
    double stanzas, bytes_in, bytes_out;   ///< a second
};
struct Round {
    Numbers server;
    std::vector<Spoken> wires;
    std::vector<ModuleRow> modules;
    std::vector<SessionRow> sessions;
};

// Counters start anew with a module or a session of the same name.
double risen(const Numbers& now, const Numbers* before, std::size_t column) {
    const auto was = before == nullptr || (*before)[column] > now[column] ? 0 : (*before)[column];
    return static_cast<double>(now[column] - was);
}

const Numbers* find(const std::map<std::string, Numbers>& in, const std::string& name) {
    const auto at = in.find(name);
    return at == in.end() ? nullptr : &at->second;
}

Round compare(const Sample& before, const Sample& now) {
    const double seconds = std::max(risen(now.server, &before.server, 0) / 1000, 0.001);
    Round round{now.server, now.wires, {}, {}};
    for (const auto& [name, n] : now.modules) {
        const auto* was = find(before.modules, name);
        if (was != nullptr)
            round.modules.push_back({name, risen(n, was, 1) / 1e9 / seconds, risen(n, was, 0) / seconds, n[2]});
        else
            round.modules.push_back({name, 0, 0, n[2]});
    }
    for (const auto& [jid, n] : now.sessions) {
        const auto* was = find(before.sessions, jid);
        round.sessions.push_back({jid, now.spoken.at(jid), risen(n, was, 0) / seconds, risen(n, was, 1) / seconds,
                                  risen(n, was, 2) / seconds});
    }
    std::ranges::sort(round.modules, [](const auto& a, const auto& b) {
        return a.share != b.share ? a.share > b.share : a.calls > b.calls;
    });
    std::ranges::sort(round.sessions, std::greater{}, [](const auto& s) { return s.bytes_in + s.bytes_out; });
    round.sessions.resize(std::min(round.sessions.size(), most_sessions));
    return round;
}

std::string saved(const Spoken& spoken) { return saved_share(spoken.bytes, spoken.saved); }

std::string in_words(const Round& round) {
    auto text = fmt::format("{} sessions, {} connections, {} MiB, {} store requests wait\n", round.server[1],
                            round.server[2], round.server[3] >> 20, round.server[4]);
    for (const auto& w : round.wires)
        if (w.saved != 0) text += fmt::format("{}: {} saved of what XML would take\n", w.codec, saved(w));
    text += fmt::format("\n{:<20} {:>8} {:>10} {:>7}\n", "module", "time", "calls/s", "faults");
    for (const auto& m : round.modules)
        text += fmt::format("{:<20} {:>7.2f}% {:>10.1f} {:>7}\n", m.name, m.share * 100, m.calls, m.faults);
    text += fmt::format("\n{:<44} {:<12} {:>5} {:>10} {:>10} {:>10}\n", "session", "codec", "saved", "stanzas/s",
                        "in B/s", "out B/s");
    for (const auto& s : round.sessions)
        text += fmt::format("{:<44} {:<12} {:>5} {:>10.1f} {:>10.0f} {:>10.0f}\n", s.jid, s.spoken.codec,
                            saved(s.spoken), s.stanzas, s.bytes_in, s.bytes_out);
    return text;
}

std::string in_json(const Round& round) {
    Json json;
    json.object().member("sessions_now", round.server[1]).member("connections", round.server[2]);
    json.member("resident_bytes", round.server[3]).member("store_waiting", round.server[4]).list("wires");
    for (const auto& w : round.wires)
        json.object().member("codec", w.codec).member("bytes", w.bytes).member("bytes_saved", w.saved).end();
    json.end_list().list("modules");
    for (const auto& m : round.modules) {
        json.object().member("name", m.name).member("time_share", m.share).member("calls_per_second", m.calls);
        json.member("faults", m.faults).end();
    }
    json.end_list().list("sessions");
    for (const auto& s : round.sessions) {
        json.object().member("jid", s.jid).member("stanzas_per_second", s.stanzas);
        json.member("bytes_in_per_second", s.bytes_in).member("bytes_out_per_second", s.bytes_out);
        json.member("codec", s.spoken.codec).member("bytes_saved", s.spoken.saved).end();
    }
    return json.end_list().end().take() + '\n';
}

/// Keys come as they are pressed, and are not shown.
class KeyByKey {
public:
    KeyByKey() : is_terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (!is_terminal_) return;
        auto raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    ~KeyByKey() {
        if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
    KeyByKey(const KeyByKey&) = delete;
    KeyByKey& operator=(const KeyByKey&) = delete;

    /// True if q was pressed meanwhile, or if nobody is there to press it any more.
    bool wait_for_q(int milliseconds) const {
        pollfd keys{is_terminal_ ? STDIN_FILENO : -1, POLLIN, 0};
        if (::poll(&keys, 1, milliseconds) <= 0) return false;
        char key = 'q';
        return ::read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q';
    }

private:
    termios before_{};
    bool is_terminal_;
};

struct Wish {
    bool is_once = false;
    int every_ms = 2000;
};

Wish understood(const Words& words) {
    Wish wish;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--once")
            wish.is_once = true;
        else if (words[i] == "--every" && i + 1 < words.size() && number(words[i + 1]) >= 1 &&
                 number(words[i + 1]) <= 3600)
            wish.every_ms = static_cast<int>(number(words[++i])) * 1000;
        else
            throw std::invalid_argument("expected: top [--once] [--every SECONDS]");
    }
    return wish;
}

}   // namespace

int top(const Client& client, const Words& words, bool json) {
    const auto wish = understood(words);
    const KeyByKey keys;
    auto before = take_sample(client);
    for (;;) {
        if (keys.wait_for_q(wish.every_ms)) return done;
        auto now = take_sample(client);
        const auto round = compare(before, now);
        before = std::move(now);
        constexpr auto clear_screen = "\x1b[H\x1b[2J";
        const bool is_last = json || wish.is_once;
        fmt::print("{}{}", is_last ? "" : clear_screen, json ? in_json(round) : in_words(round));
        std::fflush(stdout);
        if (is_last) return done;
    }
}

}   // namespace tambo::ctl
