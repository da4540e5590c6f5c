// XEP-0133 (1.3.1): what administrators ([server] admins) can do from their clients. modules/announce has the commands
// about announcements, modules/adhoc brings them all to the clients; tamboctl has its own for all of this.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/server.hpp>
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::size_t page = 1000;

using Answer = Result<CommandResult>;

std::string node(std::string_view name) { return fmt::format("http://jabber.org/protocol/admin#{}", name); }

std::string bare(std::string_view full) { return std::string{full.substr(0, full.find('/'))}; }

CommandResult figure(std::string name, std::string label, std::size_t value) {
    return {{}, {{std::move(name), std::move(label), {std::to_string(value)}}}};
}

Argument whom(std::string label) { return {"accountjid", std::move(label), Argument::Kind::account}; }
Argument several(std::string label) { return {"accountjids", std::move(label), Argument::Kind::jids}; }

Argument at_most() {
    return {"max_items", "Show no more than", Argument::Kind::choice, false, {"25", "50", "75", "100", "150", "200"},
            "25"};
}

Argument delay() {
    return {
        "delay", "Seconds until then", Argument::Kind::choice, false, {"30", "60", "90", "120", "180", "240", "300"},
        "30"};
}

std::size_t number(const std::string& text) {
    std::size_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

Result<std::size_t> count_users(Server& server) {
    std::size_t count = 0;
    for (std::string after;;) {
        const auto users = server.users(after, page);
        if (!users) return std::unexpected{users.error()};
        count += users->size();
        if (users->size() < page) return count;
        after = users->back();
    }
}

/// Who is online at all, or has sent something since `then`.
std::set<std::string> online(Server& server, std::optional<Time> then = {}) {
    std::set<std::string> users;
    for (const auto& session : server.sessions())
        if (!then || session.active >= *then) users.insert(bare(session.jid));
    return users;
}

/// Goes on after a failure, and tells of all of them.
template <class F>
Answer with_each(const std::vector<std::string>& jids, F act) {
    std::string failed;
    std::optional<Error> first;
    for (const auto& jid : jids) {
        const auto done = act(jid);
        if (done) continue;
        if (!first) first = done.error();
        failed += fmt::format("{}{}: {}", failed.empty() ? "" : "; ", jid,
                              done.error().text.empty() ? to_string(done.error().condition) : done.error().text);
    }
    if (first) return fail(first->condition, failed);
    return CommandResult{};
}

class Admin final : public Module {
public:
    void wire(Wiring& w) override {
        w.needs("adhoc");
        w.keeps("last-login", "when the user last logged in, for administrators");
        w.on<&Admin::logged_in>(Event::bound, this);
        w.every<&Admin::look_at_the_clock>(std::chrono::seconds{1}, this);
        wire_accounts(w);
        wire_figures(w);
        w.command<&Admin::shut_down>(
            {node("shutdown"),
             "",
             "Shut the server down",
             Audience::admin,
             {delay(), {"announcement", "What to tell everybody first", Argument::Kind::paragraph, false}}},
            this);
    }

    Bytes save() const override { return stop_at_ ? std::to_string(stop_at_->count()) : Bytes{}; }
    bool load(std::string_view state) override {
        if (!state.empty()) stop_at_ = Duration{static_cast<Duration::rep>(number(std::string{state}))};
        return true;
    }

private:
    void wire_accounts(Wiring& w) {
        w.command<&Admin::add_user>({node("add-user"),
                                     "",
                                     "Add a user",
                                     Audience::admin,
                                     {{"accountjid", "The JID of the account", Argument::Kind::jid},
                                      {"password", "Its password", Argument::Kind::secret},
                                      {"password-verify", "Once more", Argument::Kind::secret, false}}},
                                    this);
        w.command<&Admin::delete_users>(
            {node("delete-user"), "", "Delete users", Audience::admin, {several("The JIDs of the accounts")}}, this);
        w.command<&Admin::end_sessions>({node("end-user-session"),
                                         "",
                                         "End sessions",
                                         Audience::admin,
                                         {several("Users, or full JIDs of sessions")}},
                                        this);
        w.command<&Admin::change_password>(
            {node("change-user-password"),
             "",
             "Change a user's password",
             Audience::admin,
             {whom("The JID of the account"), {"password", "The new password", Argument::Kind::secret}}},
            this);
        const Argument one{"accountjids", "The JID of the account", Argument::Kind::account};
        w.command<&Admin::roster>({node("get-user-roster"), "", "Show a user's roster", Audience::admin, {one}}, this);
        w.command<&Admin::last_login>(
            {node("get-user-lastlogin"), "", "Show when a user last logged in", Audience::admin, {one}}, this);
        w.command<&Admin::user_stats>(
            {node("user-stats"), "", "Show what a user does", Audience::admin, {whom("The JID of the account")}}, this);
    }

    void wire_figures(Wiring& w) {
        w.command<&Admin::registered_number>(
            {node("get-registered-users-num"), "", "Count registered users", Audience::admin}, this);
        w.command<&Admin::online_number>({node("get-online-users-num"), "", "Count online users", Audience::admin},
                                         this);
        w.command<&Admin::active_number>({node("get-active-users-num"), "", "Count active users", Audience::admin},
                                         this);
        w.command<&Admin::idle_number>({node("get-idle-users-num"), "", "Count idle users", Audience::admin}, this);
        w.command<&Admin::registered_list>(
            {node("get-registered-users-list"), "", "List registered users", Audience::admin, {at_most()}}, this);
        w.command<&Admin::online_list>(
            {node("get-online-users-list"), "", "List online users", Audience::admin, {at_most()}}, this);
    }

    /// Server's calls wait for shards, so they are made elsewhere.
    template <class F>
    Task<Answer> elsewhere(F ask) {
        auto job = [&server = host().server(), ask = std::move(ask)]() -> Answer { return ask(server); };
        auto working = host().offload(std::move(job));
        co_return co_await std::move(working);
    }

    // --- accounts (§4.1 to §4.10)

    Task<Answer> add_user(CommandCall call) {
        log_who(call, "adds", call.get("accountjid"));
        auto ask = [call = std::move(call)](Server& server) -> Answer {
            const auto password = call.get("password"), again = call.get("password-verify");
            if (!again.empty() && again != password) return fail(Condition::bad_request, "the two passwords differ");
            const auto added = server.add_user(call.get("accountjid"), password);
            if (!added) return std::unexpected{added.error()};
            return CommandResult{};
        };
        return elsewhere(std::move(ask));
    }

    Task<Answer> delete_users(CommandCall call) {
        log_who(call, "deletes", fmt::format("{}", fmt::join(call.all("accountjids"), ", ")));
        auto ask = [call = std::move(call)](Server& server) {
            return with_each(call.all("accountjids"), [&](const std::string& jid) { return server.remove_user(jid); });
        };
        return elsewhere(std::move(ask));
    }

    Task<Answer> end_sessions(CommandCall call) {
        log_who(call, "ends the sessions of", fmt::format("{}", fmt::join(call.all("accountjids"), ", ")));
        auto ask = [call = std::move(call)](Server& server) {
            return with_each(call.all("accountjids"),
                             [&](const std::string& jid) { return server.kick(jid, "ended by an administrator"); });
        };
        return elsewhere(std::move(ask));
    }

    Task<Answer> change_password(CommandCall call) {
        log_who(call, "changes the password of", call.get("accountjid"));
        auto ask = [call = std::move(call)](Server& server) -> Answer {
            const auto changed = server.set_password(call.get("accountjid"), call.get("password"));
            if (!changed) return std::unexpected{changed.error()};
            return CommandResult{};
        };
        return elsewhere(std::move(ask));
    }

    /// What an administrator does to others stands in the log.
    void log_who(const CommandCall& call, std::string_view does, std::string_view whom) {
        log().info("{} {} {}", call.who.text(), does, whom);
    }

    // --- one account, on its home shard

    Task<Answer> roster(CommandCall call) {
        auto* account = host().find_account(call.jid("accountjids"));
        if (account == nullptr) co_return fail(Condition::item_not_found);
        const auto everything = host().export_account(*account);
        CommandResult result{{}, {{"accountjids", "The account", {call.get("accountjids")}}}};
        result.xml = everything.child("query", "jabber:iq:roster").standalone();   // §4.8: as RFC 6121 has it
        co_return result;
    }

    Task<Answer> last_login(CommandCall call) {
        auto* account = host().find_account(call.jid("accountjids"));
        if (account == nullptr) co_return fail(Condition::item_not_found);
        CommandResult result{{}, {{"accountjids", "The account", {call.get("accountjids")}}}};
        if (const auto* when = logins_.get(*account, "at"))
            result.values.push_back({"lastlogin", "Last login", {*when}});
        else
            result.text = "never, as far as the server remembers";
        co_return result;
    }

    void logged_in(Session& session) { logins_.put(session.account(), "at", format_time(now())); }

    Task<Answer> user_stats(CommandCall call) {
        auto* account = host().find_account(call.jid("accountjid"));
        if (account == nullptr) co_return fail(Condition::item_not_found);
        std::vector<std::string> addresses, resources;
        for (const auto* session : account->sessions()) {
            resources.emplace_back(session->jid().resource());
            const std::string address{session->link().address};
            if (!address.empty() && std::ranges::find(addresses, address) == addresses.end())
                addresses.push_back(address);
        }
        CommandResult result;
        result.values = {{"ipaddresses", "IP addresses", std::move(addresses)},
                         {"rostersize", "Contacts", {std::to_string(account->contacts().size())}},
                         {"onlineresources", "Resources online", std::move(resources)}};
        co_return result;
    }

    // --- all accounts (§4.13 to §4.21)

    Task<Answer> registered_number(const CommandCall&) {
        auto ask = [](Server& server) -> Answer {
            const auto count = count_users(server);
            if (!count) return std::unexpected{count.error()};
            return figure("registeredusersnum", "Registered users", *count);
        };
        return elsewhere(ask);
    }

    Task<Answer> online_number(const CommandCall&) {
        auto ask = [](Server& server) -> Answer {
            return figure("onlineusersnum", "Online users", online(server).size());
        };
        return elsewhere(ask);
    }

    Task<Answer> active_number(const CommandCall&) {
        auto ask = [then = now() - *idle_after_](Server& server) -> Answer {
            return figure("activeusersnum", "Active users", online(server, then).size());
        };
        return elsewhere(ask);
    }

    Task<Answer> idle_number(const CommandCall&) {
        auto ask = [then = now() - *idle_after_](Server& server) -> Answer {
            return figure("idleusersnum", "Idle users", online(server).size() - online(server, then).size());
        };
        return elsewhere(ask);
    }

    Task<Answer> registered_list(const CommandCall& call) {
        auto ask = [most = number(call.get("max_items"))](Server& server) -> Answer {
            auto users = server.users({}, most);
            if (!users) return std::unexpected{users.error()};
            return CommandResult{{}, {{"registereduserjids", "Registered users", std::move(*users)}}};
        };
        return elsewhere(ask);
    }

    Task<Answer> online_list(const CommandCall& call) {
        auto ask = [most = number(call.get("max_items"))](Server& server) -> Answer {
            const auto users = online(server);
            std::vector<std::string> some{users.begin(), users.end()};
            if (some.size() > most) some.resize(most);
            return CommandResult{{}, {{"onlineuserjids", "Online users", std::move(some)}}};
        };
        return elsewhere(ask);
    }

    // --- the server itself (§4.31)

    /// The moment is a plain number that save() hands to the next version: a swap does not call it off.
    Task<Answer> shut_down(const CommandCall& call) {
        const std::chrono::seconds wait{number(call.get("delay"))};
        log().warning("{} shuts the server down in {} s", call.who.text(), wait.count());
        stop_at_ = host().uptime() + wait;
        auto ask = [from = std::string{call.who.domain()}, lines = call.all("announcement")](Server& server) -> Answer {
            if (!lines.empty()) server.broadcast(announcement(from, lines));
            return CommandResult{};
        };
        return elsewhere(std::move(ask));
    }

    static Stanza announcement(const std::string& from, const std::vector<std::string>& lines) {
        auto message = Stanza::message(*Jid::parse(from), {}, "headline");
        message.set_inner(Writer{}.element("body").text(fmt::format("{}", fmt::join(lines, "\n"))).take());
        return message;
    }

    void look_at_the_clock() {
        if (stop_at_ && host().uptime() >= *stop_at_) host().server().stop();
    }

    Option<Duration> idle_after_{"idle_after", std::chrono::minutes{10},
                                 "a user who sent nothing for so long counts as idle"};
    Table logins_{"last-login"};
    std::optional<Duration> stop_at_;   // uptime
};

}   // namespace

TAMBO_MODULE(Admin, "admin", "0.1.0", 1)
