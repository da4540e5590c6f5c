#include "server/commands.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "server/json.hpp"

namespace tambo {

namespace {

using Words = std::vector<std::string>;

enum Exit : std::uint8_t { done = 0, refused = 1, not_understood = 2 };

struct Call {
    Server& server;
    Words words;   ///< arguments only
    bool json;
    const Control::Out& out;
};

/// A command: its words, its arguments as the help shows them, how many there may be.
struct Verb {
    std::string_view words, arguments, help;
    std::size_t least, most;
    int (*run)(const Call&);
};

int say(const Call& call, Json& json) {
    call.out(json.take() + '\n');
    return done;
}

// Commands that have nothing to tell but whether it worked.
int report(const Call& call, std::string_view what, const Result<Nothing>& result) {
    Json json;
    json.object().member("done", result.has_value());
    if (!result) json.member("condition", to_string(result.error().condition)).member("reason", result.error().text);
    if (call.json)
        call.out(json.end().take() + '\n');
    else if (!result)
        call.out(fmt::format("{}: {} {}\n", what, to_string(result.error().condition), result.error().text));
    return result ? done : refused;
}

int status(const Call& call) {
    const auto c = call.server.count();
    const auto modules = call.server.modules().size();
    if (call.json) {
        Json json;
        json.object().member("version", version()).member("sessions", c.sessions).member("connections", c.connections);
        json.member("accounts_in_memory", c.accounts).member("modules", modules).member("stanzas_in", c.stanzas_in);
        json.member("stanzas_out", c.stanzas_out).member("bytes_in", c.bytes_in).member("bytes_out", c.bytes_out);
        return say(call, json.end());
    }
    call.out(fmt::format(
        "tambo {}\nsessions    {}\nconnections {}\naccounts    {} in memory\nmodules     {}\nstanzas     {} in, {} "
        "out\nbytes       {} in, {} out\n",
        version(), c.sessions, c.connections, c.accounts, modules, c.stanzas_in, c.stanzas_out, c.bytes_in,
        c.bytes_out));
    return done;
}

int modules(const Call& call) {
    if (call.json) {
        Json json;
        json.object().list("modules");
        for (const auto& m : call.server.modules()) {
            json.object().member("name", m.name).member("version", m.version).member("generation", m.generation);
            json.member("state", m.state).member("faults", m.faults).member("file", m.file).end();
        }
        return say(call, json.end_list().end());
    }
    call.out(fmt::format("{:<20} {:<8} {:>10} {:<10} {:>6}\n", "name", "version", "generation", "state", "faults"));
    for (const auto& m : call.server.modules())
        call.out(fmt::format("{:<20} {:<8} {:>10} {:<10} {:>6}\n", m.name, m.version, m.generation, m.state, m.faults));
    return done;
}

int swapped(const Call& call, const SwapReport& r, std::string_view sentence) {
    if (call.json) {
        Json json;
        json.object().member("done", r.done).member("module", r.module).member("version", r.version);
        json.member("generation", r.generation).member("step", r.step).member("reason", r.reason);
        json.member("prepare_ms", r.prepare_ms).member("pause_ms", r.pause_ms).member("retire_ms", r.retire_ms);
        say(call, json.member("unmapped", r.unmapped).end());
    } else if (r.done) {
        call.out(fmt::format("module {}: {}\n", r.module, sentence));
    } else {
        call.out(fmt::format("module {}: refused at step {}: {}\n", r.module, r.step, r.reason));
    }
    return r.done ? done : refused;
}

int swapped(const Call& call, const SwapReport& r) {
    return swapped(call, r,
                   fmt::format("version {} (generation {}); prepared in {:.1f} ms, shards stood still for {:.3f} ms, "
                               "the old image {}",
                               r.version, r.generation, r.prepare_ms, r.pause_ms,
                               r.unmapped ? "is gone" : "stays until its last task has ended"));
}

int load(const Call& call) { return swapped(call, call.server.load(call.words[0])); }

int unload(const Call& call) {
    const auto r = call.server.unload(call.words[0]);
    return swapped(
        call, r, fmt::format("unloaded; its image {}", r.unmapped ? "is gone" : "stays until its last task has ended"));
}

int reload(const Call& call) {
    return swapped(call, call.words.size() == 1 ? call.server.reload(call.words[0])
                                                : call.server.reload(call.words[0], call.words[1]));
}

int user_add(const Call& call) {
    return report(call, call.words[0], call.server.add_user(call.words[0], call.words[1]));
}
int user_passwd(const Call& call) {
    return report(call, call.words[0], call.server.set_password(call.words[0], call.words[1]));
}
int user_delete(const Call& call) { return report(call, call.words[0], call.server.remove_user(call.words[0])); }

int refresh(const Call& call) {
    call.server.refresh();
    return report(call, {}, Nothing{});
}

int stop(const Call& call) {
    call.server.stop();
    return report(call, {}, Nothing{});
}

int help(const Call& call);

constexpr std::array verbs = {
    Verb{"help", "", "what the server can be told", 0, 0, help},
    Verb{"status", "", "what the server does now", 0, 0, status},
    Verb{"modules", "", "what is loaded", 0, 0, modules},
    Verb{"load", "NAME", "load a module", 1, 1, load},
    Verb{"unload", "NAME", "take a module out", 1, 1, unload},
    Verb{"reload", "NAME [FILE]", "swap a module for a new build, or for another file", 1, 2, reload},
    Verb{"user add", "JID [PASSWORD]", "make an account", 2, 2, user_add},
    Verb{"user passwd", "JID [PASSWORD]", "give an account another password", 2, 2, user_passwd},
    Verb{"user delete", "JID", "remove an account and everything that it had", 1, 1, user_delete},
    Verb{"refresh", "", "look for renewed certificates, open the log anew", 0, 0, refresh},
    Verb{"stop", "", "stop the server", 0, 0, stop},
};

int help(const Call& call) {
    Json json;
    json.object().list("commands");
    std::string text = "commands:\n";
    for (const auto& v : verbs) {
        json.object().member("words", v.words).member("arguments", v.arguments).member("help", v.help).end();
        text += fmt::format("  {:<34} {}\n",
                            fmt::format("{}{}{}", v.words, v.arguments.empty() ? "" : " ", v.arguments), v.help);
    }
    call.out(call.json ? json.end_list().end().take() + '\n' : text);
    return done;
}

// The words of a command as they stand at the front of what was typed.
std::size_t matching(std::string_view command, const Words& words) {
    std::size_t count = 0;
    for (std::string_view rest = command; !rest.empty(); ++count) {
        const auto gap = rest.find(' ');
        if (count >= words.size() || words[count] != rest.substr(0, gap)) return 0;
        rest.remove_prefix(gap == std::string_view::npos ? rest.size() : gap + 1);
    }
    return count;
}

int complain(const Call& call, const std::string& why) {
    Json json;
    json.object().member("done", false).member("reason", why);
    call.out(call.json ? json.end().take() + '\n' : why + '\n');
    return not_understood;
}

}   // namespace

int run_command(Server& server, const std::vector<std::string>& words, const Control::Out& out) {
    Call call{server, words, false, out};
    call.json = std::erase(call.words, "--json") != 0;
    for (const auto& verb : verbs) {
        const auto own = matching(verb.words, call.words);
        if (own == 0) continue;
        const auto count = call.words.size() - own;
        if (count < verb.least || count > verb.most)
            return complain(call, fmt::format("expected: {} {}", verb.words, verb.arguments));
        call.words.erase(call.words.begin(), call.words.begin() + static_cast<std::ptrdiff_t>(own));
        return verb.run(call);
    }
    const std::string typed = call.words.empty() ? "" : call.words.front();
    return complain(call, fmt::format("not understood: {}; try help", typed));
}

}   // namespace tambo
