#include "server/commands.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "server/json.hpp"
#include "server/log.hpp"
#include "server/saving.hpp"
#include "server/swap_report.hpp"
#include "server/verbs.hpp"

namespace tambo {

namespace {

using namespace verbs;

/// A command: its words, its arguments as the help shows them, how many there may be.
struct Verb {
    std::string_view words, arguments, help;
    std::size_t least, most;
    int (*run)(const Call&);
};

constexpr std::size_t piece_bytes = 65536;   // of a long answer, so that it is never in memory as a whole
constexpr std::size_t most_words = 10'000;

int only_in_tamboctl(const Call& call) { return complain(call, "this is for tamboctl itself"); }

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

Json& write(Json& json, const ModuleInfo& m) {
    json.object().member("name", m.name).member("version", m.version).member("generation", m.generation);
    json.member("state", m.state).member("faults", m.faults).member("file", m.file).member("note", m.note);
    json.list("history");
    for (const auto& e : m.history) json.object().member("time", format_time(e.time)).member("what", e.what).end();
    return json.end_list().end();
}

std::string describe(const ModuleInfo& m) {
    auto text =
        fmt::format("{} {} (generation {}), {}{}{}\n{} fault{} of this version\n{}\n", m.name, m.version, m.generation,
                    m.state, m.note.empty() ? "" : ": ", m.note, m.faults, m.faults == 1 ? "" : "s", m.file);
    for (const auto& event : m.history) text += fmt::format("{}  {}\n", format_time(event.time), event.what);
    return text;
}

// All, or one with its history.
int modules(const Call& call) {
    auto all = call.server.modules();
    const bool is_one = !call.words.empty();
    if (is_one) std::erase_if(all, [&](const ModuleInfo& m) { return m.name != call.words[0]; });
    if (is_one && all.empty()) return refuse(call, fmt::format("module {}: is not loaded", call.words[0]));
    constexpr std::string_view row = "{:<20} {:<8} {:>10} {:<12} {:>6}  {}\n";
    auto text = is_one ? "" : fmt::format(row, "name", "version", "generation", "state", "faults", "note");
    Json json;
    json.object().list("modules");
    for (const auto& m : all) {
        write(json, m);
        text += is_one ? describe(m) : fmt::format(row, m.name, m.version, m.generation, m.state, m.faults, m.note);
    }
    return tell(call, json.end_list().end(), text);
}

int swapped(const Call& call, const SwapReport& report) {
    if (call.json) {
        Json json;
        write(json.object(), report);
        say(call, json.end());
    } else {
        call.out(report.module.empty() ? in_words(report) + '\n'
                                       : fmt::format("module {}: {}\n", report.module, in_words(report)));
    }
    return report.done ? done : refused;
}

int load(const Call& call) { return swapped(call, call.server.load(call.words[0])); }
int unload(const Call& call) { return swapped(call, call.server.unload(call.words[0])); }

// NAME… swaps these together; NAME FILE, one for another file.
int reload(const Call& call) {
    const auto& words = call.words;
    if (words[0] == "--all" || words[0] == "--changed") {
        if (words.size() > 1) return complain(call, words[0] + " takes no names");
        return swapped(call, words[0] == "--all" ? call.server.reload_all() : call.server.reload_changed());
    }
    if (words.size() == 2 && words[1].find('/') != std::string::npos)
        return swapped(call, call.server.reload(words[0], words[1]));
    return swapped(call, call.server.reload_together(words));
}

// --- configuration, log, store

std::string_view fate_name(ConfigChange::Fate fate) {
    switch (fate) {
        case ConfigChange::Fate::applied:
            return "applied";
        case ConfigChange::Fate::new_connections:
            return "for new connections";
        case ConfigChange::Fate::restart:
            return "needs a restart";
        case ConfigChange::Fate::refused:
            return "refused";
    }
    return "refused";
}

std::string in_words(const ConfigReport& report) {
    if (!report.done) return fmt::format("nothing was changed: {}\n", report.reason);
    if (report.changes.empty()) return "nothing has changed\n";
    std::string text;
    for (const auto& c : report.changes)
        text += c.text == fate_name(c.fate) ? fmt::format("{}: {}\n", c.what, c.text)
                                            : fmt::format("{}: {}: {}\n", c.what, fate_name(c.fate), c.text);
    return text;
}

int reload_config(const Call& call) {
    const auto report = call.server.reload_config();
    Json json;
    json.object().member("done", report.done).member("reason", report.reason).list("changes");
    for (const auto& c : report.changes)
        json.object().member("what", c.what).member("fate", fate_name(c.fate)).member("text", c.text).end();
    call.out(call.json ? json.end_list().end().take() + '\n' : in_words(report));
    const bool any_refused =
        std::ranges::find(report.changes, ConfigChange::Fate::refused, &ConfigChange::fate) != report.changes.end();
    return report.done && !any_refused ? done : refused;
}

int log_level(const Call& call) {
    if (call.words.empty()) {
        const auto level = to_string(call.server.log_level());
        Json json;
        return tell(call, json.object().member("level", level).end(), fmt::format("{}\n", level));
    }
    for (const auto level : {Level::debug, Level::info, Level::warning, Level::error})
        if (call.words[0] == to_string(level)) {
            call.server.set_log_level(level);
            return report(call, {}, Nothing{});
        }
    return complain(call, "expected one of: debug, info, warning, error");
}

int backup(const Call& call) {
    if (!std::filesystem::path{call.words[0]}.is_absolute()) return complain(call, "expected an absolute path");
    call.server.backup(call.words[0]);
    Json json;
    return tell(call, json.object().member("done", true).member("file", call.words[0]).end(),
                fmt::format("{} is written\n", call.words[0]));
}

// --- sessions

std::string saved(const Traffic& traffic) {
    return saved_share(traffic.bytes_in + traffic.bytes_out, traffic.bytes_saved);
}

int sessions(const Call& call) {
    Json json;
    json.object().list("sessions");
    std::string text = fmt::format("{:<44} {:<24} {:<12} {:>5} {:<12} {:>8} {:>8}\n", "jid", "address", "codec",
                                   "saved", "show", "in", "out");
    for (const auto& s : call.server.sessions(call.words.empty() ? "" : call.words[0])) {
        json.object().member("jid", s.jid).member("address", s.address).member("codec", s.codec);
        json.member("show", s.show).member("priority", s.priority).member("connected", s.is_connected);
        json.member("secure", s.is_secure)
            .member("since", format_time(s.since))
            .member("active", format_time(s.active));
        json.member("stanzas_in", s.traffic.stanzas_in).member("stanzas_out", s.traffic.stanzas_out);
        json.member("bytes_in", s.traffic.bytes_in).member("bytes_out", s.traffic.bytes_out);
        json.member("bytes_saved", s.traffic.bytes_saved);
        json.member("waiting", s.waiting).end();
        text += fmt::format("{:<44} {:<24} {:<12} {:>5} {:<12} {:>8} {:>8}\n", s.jid,
                            s.is_connected ? s.address : "(away, resumable)", s.codec, saved(s.traffic), s.show,
                            s.traffic.stanzas_in, s.traffic.stanzas_out);
        if (text.size() + 1 > piece_bytes && !call.json) call.out(std::exchange(text, {}));
    }
    return tell(call, json.end_list().end(), text);
}

int kick(const Call& call) {
    const auto count = call.server.kick(call.words[0], call.words.size() > 1 ? call.words[1] : "");
    if (!count) return report(call, call.words[0], std::unexpected{count.error()});
    Json json;
    json.object().member("done", *count > 0).member("sessions", *count);
    tell(call, json.end(), fmt::format("{}: {} session(s) ended\n", call.words[0], *count));
    return *count > 0 ? done : refused;
}

int send_stanza(const Call& call) {
    auto stanza = Stanza::parse(call.words[0]);
    if (!stanza) return complain(call, "no stanza: " + stanza.error().text);
    return report(call, "not sent", call.server.send(std::move(*stanza)));
}

int send_message(const Call& call) {
    const auto from = Jid::parse(call.words[0]), to = Jid::parse(call.words[1]);
    if (!from || !to) return complain(call, fmt::format("{}: no address", call.words[from ? 1 : 0]));
    auto message = Stanza::message(*from, *to, "chat");
    Writer body;
    body.element("body").text(call.words[2]).end();
    message.append(body.take());
    return report(call, "not sent", call.server.send(std::move(message)));
}

int send(const Call& call) {
    if (call.words.size() == 2) return complain(call, "expected: send FROM TO TEXT, or a stanza");
    return call.words.size() == 1 ? send_stanza(call) : send_message(call);
}

// --- figures

int stats(const Call& call) {
    const auto s = call.server.stats();
    Json json;
    json.raw(to_json(s));
    auto text = fmt::format(
        "since       {}\nconnections {}\nsessions    {} ({} away, resumable)\naccounts    {} in memory\n"
        "memory      {} MiB\nstore       {} request(s) wait\nswaps       {} done, {} refused\n",
        format_time(s.started), s.connections, s.sessions, s.detached, s.accounts_in_memory, s.resident_bytes >> 20,
        s.store_waiting, s.swaps_done, s.swaps_refused);
    for (const auto& [name, kinds] : {std::pair{"in", &s.in}, std::pair{"out", &s.out}})
        text += fmt::format("{:<11} {} messages, {} presences, {} iqs\n", name, kinds->messages, kinds->presences,
                            kinds->iqs);
    for (const auto& f : s.figures) text += fmt::format("{:<11} {} {}\n", f.module, f.name, f.value);
    return tell(call, json, text);
}

// For `tamboctl top`, which looks again and again and shows the differences: a line each, columns between tabs.
int sample(const Call& call) {
    const auto s = call.server.stats();
    auto text = fmt::format("server\t{}\t{}\t{}\t{}\t{}\n", s.now.time_since_epoch().count(), s.sessions, s.connections,
                            s.resident_bytes, s.store_waiting);
    for (const auto& m : s.modules)
        text += fmt::format("module\t{}\t{}\t{}\t{}\n", m.name, m.calls, m.nanoseconds, m.faults);
    for (const auto& w : s.wires)
        text += fmt::format("wire\t{}\t{}\t{}\n", w.codec, w.bytes_in + w.bytes_out, w.saved_in + w.saved_out);
    for (const auto& session : call.server.sessions()) {
        const auto& t = session.traffic;
        text += fmt::format("session\t{}\t{}\t{}\t{}\t{}\t{}\n", session.jid, t.stanzas_in + t.stanzas_out, t.bytes_in,
                            t.bytes_out, session.codec, t.bytes_saved);
        if (text.size() > piece_bytes) call.out(std::exchange(text, {}));
    }
    call.out(text);
    return done;
}

// --- the server

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
    Verb{"stats", "", "all that is counted", 0, 0, stats},
    Verb{"top", "", "modules and sessions by what they cost, until q", 0, 0, only_in_tamboctl},
    Verb{"modules", "[NAME]", "what is loaded, or the history of one", 0, 1, modules},
    Verb{"load", "NAME", "load a module", 1, 1, load},
    Verb{"unload", "NAME", "take a module out", 1, 1, unload},
    Verb{"reload", "NAME... | NAME FILE | --all | --changed",
         "swap modules for their new builds, or one for another file", 1, 1000, reload},
    Verb{"reload-config", "", "follow the ini as it is now", 0, 0, reload_config},
    Verb{"check", "FILE", "look for mistakes in an ini; needs no server", 1, 1, only_in_tamboctl},
    Verb{"new-module", "NAME [FOLDER]", "a project for a module of your own; needs no server", 1, 2, only_in_tamboctl},
    Verb{"user add", "JID [PASSWORD]", "make an account", 2, 2, user_add},
    Verb{"user passwd", "JID [PASSWORD]", "give an account another password", 2, 2, user_passwd},
    Verb{"user delete", "JID", "remove an account and everything that it had", 1, 1, user_delete},
    Verb{"user erase", "JID", "the same, with proof", 1, 1, user_erase},
    Verb{"user list", "", "all accounts", 0, 0, user_list},
    Verb{"user export", "[JID...]", "accounts with all that they have, as XML", 0, most_words, user_export},
    Verb{"user import", "FILE... [--replace]", "accounts from such files", 2, 3, user_import},
    Verb{"sessions", "[JID]", "who is here", 0, 1, sessions},
    Verb{"kick", "JID [WHY]", "end a session, or all of an account", 1, 2, kick},
    Verb{"send", "[FROM TO TEXT]", "send a message, or the stanza on the standard input", 1, 3, send},
    Verb{"log level", "[debug|info|warning|error]", "what is logged", 0, 1, log_level},
    Verb{"backup", "FILE", "write all that the store keeps to a new file", 1, 1, backup},
    Verb{"refresh", "", "look for renewed certificates, open the log anew", 0, 0, refresh},
    Verb{"drain", "[--over DURATION] [--stop] | --cancel", "send all clients away, a few at a time", 0, 3,
         verbs::drain},
    Verb{"stop", "", "stop the server", 0, 0, stop},
    Verb{"sample", "", "", 0, 0, sample},
};

// --- what modules offer

std::string shown(const Argument& argument) {
    if (argument.kind == Argument::Kind::flag) return fmt::format("[--{}]", argument.name);
    auto name = argument.name;
    if (argument.kind == Argument::Kind::choice) name = fmt::format("{}", fmt::join(argument.choices, "|"));
    if (argument.kind == Argument::Kind::jids) name += "...";
    return argument.is_required ? name : '[' + name + ']';
}

std::string shown(const std::vector<Argument>& arguments) {
    std::vector<std::string> all;
    all.reserve(arguments.size());
    for (const auto& a : arguments) all.push_back(shown(a));
    return fmt::format("{}", fmt::join(all, " "));
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

// Words in the order of the arguments; flags as --NAME, anywhere. False: there are more words than arguments.
bool take_words(const Command& command, Words words, CommandCall& given) {
    for (const auto& a : command.arguments)
        if (a.kind == Argument::Kind::flag && std::erase(words, "--" + a.name) != 0) given.given[a.name] = {"true"};
    auto next = words.begin();
    for (const auto& a : command.arguments) {
        if (a.kind == Argument::Kind::flag || next == words.end()) continue;
        if (a.kind == Argument::Kind::jids)
            given.given[a.name] = {std::exchange(next, words.end()), words.end()};
        else if (a.kind == Argument::Kind::paragraph)
            given.given[a.name] = lines_of(*next++);
        else
            given.given[a.name] = {*next++};
    }
    return next == words.end();
}

// Short ones beside each other, sentences below each other.
std::string listed(const std::vector<std::string>& values) {
    constexpr std::size_t longest_word = 40;
    const bool are_sentences =
        values.size() > 1 && std::ranges::any_of(values, [](const auto& v) { return v.size() > longest_word; });
    return are_sentences ? fmt::format("\n  {}", fmt::join(values, "\n  "))
                         : fmt::format(" {}", fmt::join(values, ", "));
}

int told(const Call& call, const CommandResult& result) {
    Json json;
    json.object().member("done", true).member("text", result.text).object("values");
    auto text = result.text.empty() ? std::string{} : result.text + '\n';
    for (const auto& v : result.values) {
        json.list(v.name);
        for (const auto& value : v.values) json.value(value);
        json.end_list();
        text += fmt::format("{}:{}\n", v.label.empty() ? v.name : v.label, listed(v.values));
    }
    return tell(call, json.end().end(), text);
}

int give(const Call& call, const Command& command) {
    CommandCall given;
    if (!take_words(command, call.words, given))
        return complain(call, fmt::format("expected: {} {}", command.words, shown(command.arguments)));
    const auto result = call.server.give(command.node, std::move(given));
    if (result) return told(call, *result);
    if (result.error().condition == Condition::bad_request)
        return complain(
            call, fmt::format("{}; expected: {} {}", result.error().text, command.words, shown(command.arguments)));
    return report(call, command.words, std::unexpected{result.error()});
}

int help(const Call& call) {
    Json json;
    json.object().list("commands");
    std::string text = "commands:\n";
    const auto add = [&](std::string_view words, std::string_view arguments, std::string_view what) {
        json.object().member("words", words).member("arguments", arguments).member("help", what).end();
        text +=
            fmt::format("  {:<38} {}\n", fmt::format("{}{}{}", words, arguments.empty() ? "" : " ", arguments), what);
    };
    for (const auto& v : verbs)
        if (!v.help.empty()) add(v.words, v.arguments, v.help);
    for (const auto& c : call.server.commands())
        if (!c.words.empty()) add(c.words, shown(c.arguments), c.label);
    return tell(call, json.end_list().end(), text);
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

int carry_out(Call& call) {
    for (const auto& verb : verbs) {
        const auto own = matching(verb.words, call.words);
        if (own == 0) continue;
        const auto count = call.words.size() - own;
        if (count < verb.least || count > verb.most)
            return complain(call, fmt::format("expected: {} {}", verb.words, verb.arguments));
        call.words.erase(call.words.begin(), call.words.begin() + static_cast<std::ptrdiff_t>(own));
        return verb.run(call);
    }
    for (const auto& command : call.server.commands()) {
        const auto own = matching(command.words, call.words);
        if (own == 0) continue;
        call.words.erase(call.words.begin(), call.words.begin() + static_cast<std::ptrdiff_t>(own));
        return give(call, command);
    }
    const std::string typed = call.words.empty() ? "" : call.words.front();
    return complain(call, fmt::format("not understood: {}; try help", typed));
}

}   // namespace

int run_command(Server& server, Drain& drain, const std::vector<std::string>& words, const Control::Out& out) {
    Call call{server, drain, words, false, out};
    call.json = std::erase(call.words, "--json") != 0;
    try {
        return carry_out(call);
    } catch (const std::exception& e) {
        return refuse(call, e.what());
    }
}

}   // namespace tambo
