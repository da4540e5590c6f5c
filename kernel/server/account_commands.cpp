// What tamboctl can do with accounts: make, change, list, erase, move them out and in.
#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "server/verbs.hpp"

namespace tambo::verbs {

int user_add(const Call& call) {
    return report(call, call.words[0], call.server.add_user(call.words[0], call.words[1]));
}
int user_passwd(const Call& call) {
    return report(call, call.words[0], call.server.set_password(call.words[0], call.words[1]));
}
int user_delete(const Call& call) { return report(call, call.words[0], call.server.remove_user(call.words[0])); }

namespace {

constexpr std::size_t users_at_once = 500;

// All accounts, a page in memory at a time.
template <class See>
void each_user(Server& server, See see) {
    for (std::string after;;) {
        const auto page = server.users(after, users_at_once);
        if (!page) throw std::runtime_error(page.error().text);
        for (const auto& jid : *page) see(jid);
        if (page->size() < users_at_once) return;
        after = page->back();
    }
}

}   // namespace

int user_list(const Call& call) {
    Json json;
    json.object().list("users");
    std::string lines;
    std::size_t count = 0;
    each_user(call.server, [&](const std::string& jid) {
        json.value(jid);
        lines += jid + '\n';
        if (++count % users_at_once == 0) call.out(call.json ? json.take() : std::exchange(lines, {}));
        if (!call.json) json.take();
    });
    call.out(call.json ? json.end_list().end().take() + '\n' : lines);
    return done;
}

int user_erase(const Call& call) {
    const auto erased = call.server.erase_user(call.words[0]);
    if (!erased) return report(call, call.words[0], std::unexpected{erased.error()});
    Json json;
    json.object().member("done", erased->after.empty());
    std::string text = fmt::format("{}: erased\n", call.words[0]);
    for (const auto& [name, tables] : {std::pair{"had", &erased->before}, std::pair{"left", &erased->after}}) {
        json.list(name);
        for (const auto& t : *tables) json.object().member("table", t.table).member("rows", t.rows).end();
        json.end_list();
    }
    for (const auto& t : erased->before) text += fmt::format("  {:<24} had {} row(s)\n", t.table, t.rows);
    for (const auto& t : erased->after) text += fmt::format("  {:<24} STILL HAS {} row(s)\n", t.table, t.rows);
    if (erased->after.empty()) text += "  nothing is left of it in the store\n";
    tell(call, json.end(), text);
    return erased->after.empty() ? done : refused;
}

// --- moving accounts: the module that knows the format does the work, one account at a time

namespace {

constexpr std::string_view frame = "portability#frame", one_out = "portability#export",
                           credentials_in = "portability#make", one_in = "portability#import";

CommandCall about(const std::string& jid) {
    CommandCall call;
    call.given["accountjid"] = {jid};
    return call;
}

CommandResult ask_module(Server& server, std::string_view node, CommandCall call) {
    auto result = server.give(node, std::move(call));
    if (result) return std::move(*result);
    const auto offered = server.commands();
    if (std::ranges::find(offered, node, &Command::node) == offered.end())
        throw std::runtime_error("no module moves accounts; load portability");
    throw std::runtime_error(fmt::format("{} {}", to_string(result.error().condition), result.error().text));
}

std::string value_of(const CommandResult& result, std::string_view name) {
    for (const auto& v : result.values)
        if (v.name == name && !v.values.empty()) return v.values.front();
    return {};
}

// The accounts that are asked for, host by host, each host once.
template <class See>
void each_wanted(const Call& call, See see) {
    if (!call.words.empty()) {
        auto wanted = call.words;
        std::ranges::sort(wanted, {}, [](const auto& jid) { return std::pair{jid.substr(jid.find('@') + 1), jid}; });
        for (const auto& jid : wanted) see(jid);
        return;
    }
    std::set<std::string> hosts;
    each_user(call.server, [&](const std::string& jid) { hosts.insert(jid.substr(jid.find('@') + 1)); });
    for (const auto& host : hosts)
        each_user(call.server, [&](const std::string& jid) {
            if (jid.substr(jid.find('@') + 1) == host) see(jid);
        });
}

}   // namespace

int user_export(const Call& call) {
    const auto around = ask_module(call.server, frame, {});
    const auto write = [&](const std::string& text) { call.out(call.json ? json_safe(text) : text); };
    if (call.json) call.out("{\"document\":\"");   // one long string, in pieces
    write(value_of(around, "head"));
    std::string host;
    each_wanted(call, [&](const std::string& jid) {
        const auto user = ask_module(call.server, one_out, about(jid));
        if (const auto here = value_of(user, "host"); here != host) {
            if (!host.empty()) write(value_of(around, "host-tail"));
            write(value_of(user, "host-head"));
            host = here;
        }
        write(value_of(user, "user"));
    });
    if (!host.empty()) write(value_of(around, "host-tail"));
    write(value_of(around, "tail"));
    if (call.json) call.out("\"}\n");
    return done;
}

// tamboctl takes the file apart; here comes one <user/>. A new account that did not get all that was its own goes
// again.
int user_import(const Call& call) {
    const auto& jid = call.words[0];
    const bool replaces = call.words.size() > 2 && call.words[2] == "--replace";
    auto one = about(jid);
    one.given["user"] = {call.words[1]};
    auto credentials = one;
    credentials.given["replace"] = {replaces ? "true" : "false"};
    const auto made = call.server.give(credentials_in, std::move(credentials));
    if (!made) return report(call, jid, std::unexpected{made.error()});
    const auto filled = call.server.give(one_in, std::move(one));
    if (!filled) {
        // Whether it can be undone or not, the answer is why it was not done.
        if (!replaces) {
            [[maybe_unused]] const auto undone = call.server.remove_user(jid);
        }
        return report(call, jid, std::unexpected{filled.error()});
    }
    const auto text = made->text.empty() ? filled->text : fmt::format("{}; {}", filled->text, made->text);
    Json json;
    json.object().member("done", true).member("jid", jid).member("text", text);
    return tell(call, json.end(), fmt::format("{}: {}\n", jid, text));
}

}   // namespace tambo::verbs
