// Messages from the server to its users, with the commands that XEP-0133 (1.3.1) §4.23 to §4.28 has for them: to all
// who are online, the message of the day to everybody once at the next login, and a welcome to new accounts.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/server.hpp>
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

using Answer = Result<CommandResult>;

std::string node(std::string_view name) { return fmt::format("http://jabber.org/protocol/admin#{}", name); }

/// One text of the server, as its row has it: a name that is new with each text, a line end, the text.
struct Notice {
    std::string id, text;
    static Notice read(const std::string& row) {
        const auto end = row.find('\n');
        return {row.substr(0, end), end == row.npos ? std::string{} : row.substr(end + 1)};
    }
    std::string row() const { return fmt::format("{}\n{}", id, text); }
};

std::string joined(const std::vector<std::string>& lines) { return fmt::format("{}", fmt::join(lines, "\n")); }

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at <= text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        lines.emplace_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

Stanza headline(const Jid& from, const Jid& to, std::string_view text) {
    auto message = Stanza::message(from, to, "headline");
    message.set_inner(Writer{}.element("body").text(text).take());
    return message;
}

class Announce final : public Module {
public:
    void wire(Wiring& w) override {
        w.keeps("notices", "the message of the day and the welcome; nothing about users");
        w.keeps("noticed", "which message of the day was seen, and whether a welcome is due");
        w.on<&Announce::made>(Event::created, this);
        w.on<&Announce::online>(Event::online, this, priority::late);
        const auto text = [](std::string name, std::string label) {
            return Argument{std::move(name), std::move(label), Argument::Kind::paragraph};
        };
        w.command<&Announce::announce>({node("announce"),
                                        "announce",
                                        "Send an announcement to online users",
                                        Audience::admin,
                                        {text("announcement", "Announcement")}},
                                       this);
        w.command<&Announce::set_motd>({node("set-motd"),
                                        "motd set",
                                        "Set the message of the day",
                                        Audience::admin,
                                        {text("motd", "Message of the day")}},
                                       this);
        w.command<&Announce::edit_motd, &Announce::fill_motd>({node("edit-motd"),
                                                               "motd edit",
                                                               "Edit the message of the day",
                                                               Audience::admin,
                                                               {text("motd", "Message of the day")}},
                                                              this);
        w.command<&Announce::delete_motd>(
            {node("delete-motd"), "motd delete", "Delete the message of the day", Audience::admin}, this);
        w.command<&Announce::show_motd>({"motd", "motd show", "Show the message of the day", Audience::admin}, this);
        w.command<&Announce::set_welcome, &Announce::fill_welcome>({node("set-welcome"),
                                                                    "welcome set",
                                                                    "Set the welcome for new users",
                                                                    Audience::admin,
                                                                    {text("welcome", "Welcome message")}},
                                                                   this);
        w.command<&Announce::delete_welcome>(
            {node("delete-welcome"), "welcome delete", "Delete the welcome for new users", Audience::admin}, this);
    }

private:
    // --- to users

    void made(Account& account) { noticed_.put(account, welcome_key, "due"); }

    /// RFC 6121 §8.5.2: a session with a negative priority wants no messages but those to itself.
    void online(Session& session, Stanza&) {
        if (session.priority() < 0) return;
        host().spawn(show(session.jid()));
    }

    /// Both are asked for at once: shown is what there was at the login, however long the first answer takes.
    Task<void> show(Jid who) {
        auto motd_row = notices_.get(Jid{}, motd_key);
        auto* session = find(who);
        if (session != nullptr && noticed_.get(session->account(), welcome_key) != nullptr) {
            auto asking = read(welcome_key);
            const auto welcome = co_await std::move(asking);
            session = find(who);
            if (session != nullptr && welcome) give_welcome(*session, *welcome);
        }
        auto asking = understood(std::move(motd_row));
        const auto motd = co_await std::move(asking);
        session = find(who);
        if (session != nullptr && motd && *motd) give_motd(*session, **motd);
    }

    /// The first of the user's devices gets it. Noted before it is sent, since sending can end a session.
    void give_welcome(Session& session, const std::optional<Notice>& welcome) {
        if (noticed_.get(session.account(), welcome_key) == nullptr) return;
        noticed_.erase(session.account(), welcome_key);
        if (welcome) send(session, welcome->text);
    }

    void give_motd(Session& session, const Notice& motd) {
        const auto* seen = noticed_.get(session.account(), motd_key);
        if (seen != nullptr && *seen == motd.id) return;
        noticed_.put(session.account(), motd_key, motd.id);
        send(session, motd.text);
    }

    void send(Session& session, std::string_view text) {
        const auto domain = Jid::make({}, session.jid().domain());
        auto message = headline(*domain, session.jid(), text);
        session.send(message);
    }

    Session* find(const Jid& who) {
        auto* account = host().find_account(who.bare());
        return account != nullptr ? account->find(who.resource()) : nullptr;
    }

    // --- from administrators

    Task<Answer> announce(CommandCall call) {
        const auto from = Jid::make({}, call.who.empty() ? host().domains().front() : call.who.domain());
        auto message = headline(*from, {}, joined(call.all("announcement")));
        auto job = [&server = host().server(), message = std::move(message)] { return server.broadcast(message); };
        auto working = host().offload(std::move(job));
        const auto count = co_await std::move(working);
        log().info("{} sent an announcement to {} session(s)", giver(call), count);
        co_return CommandResult{fmt::format("sent to {} session(s)", count)};
    }

    Task<Answer> set_motd(const CommandCall& call) {
        log().info("{} set the message of the day", giver(call));
        return keep(motd_key, Notice{random_token(16), joined(call.all("motd"))});
    }

    /// §4.25: corrected, so those who have seen it need not see it again.
    Task<Answer> edit_motd(CommandCall call) {
        auto asking = read(motd_key);
        const auto motd = co_await std::move(asking);
        if (!motd) co_return std::unexpected{motd.error()};
        if (!*motd) co_return fail(Condition::item_not_found, "there is no message of the day");
        log().info("{} edited the message of the day", giver(call));
        auto keeping = keep(motd_key, Notice{(*motd)->id, joined(call.all("motd"))});
        co_return co_await std::move(keeping);
    }

    Task<Answer> delete_motd(const CommandCall& call) {
        log().info("{} deleted the message of the day", giver(call));
        return erase(motd_key);
    }

    Task<Answer> show_motd(CommandCall) {
        auto asking = read(motd_key);
        const auto motd = co_await std::move(asking);
        if (!motd) co_return std::unexpected{motd.error()};
        co_return CommandResult{*motd ? (*motd)->text : "there is no message of the day"};
    }

    Task<Answer> set_welcome(const CommandCall& call) {
        log().info("{} set the welcome for new users", giver(call));
        return keep(welcome_key, Notice{random_token(16), joined(call.all("welcome"))});
    }

    Task<Answer> delete_welcome(const CommandCall& call) {
        log().info("{} deleted the welcome for new users", giver(call));
        return erase(welcome_key);
    }

    Task<CommandCall> fill_motd(CommandCall call) { return fill(std::move(call), motd_key, "motd"); }
    Task<CommandCall> fill_welcome(CommandCall call) { return fill(std::move(call), welcome_key, "welcome"); }

    Task<CommandCall> fill(CommandCall call, std::string key, std::string name) {
        auto asking = read(std::move(key));
        const auto notice = co_await std::move(asking);
        if (notice && *notice) call.given.try_emplace(std::move(name), split((*notice)->text));
        co_return call;
    }

    static std::string_view giver(const CommandCall& call) {
        return call.who.empty() ? std::string_view{"the operator"} : call.who.text();
    }

    // --- rows that belong to the server

    Task<Result<std::optional<Notice>>> read(std::string key) {
        return understood(notices_.get(Jid{}, std::move(key)));
    }

    static Task<Result<std::optional<Notice>>> understood(Later<Result<std::optional<Bytes>>> asking) {
        const auto row = co_await std::move(asking);
        if (!row) co_return std::unexpected{row.error()};
        if (!*row) co_return std::nullopt;
        co_return Notice::read(**row);
    }

    Task<Answer> keep(std::string key, Notice notice) {
        auto keeping = notices_.put(Jid{}, std::move(key), notice.row());
        const auto kept = co_await std::move(keeping);
        if (!kept) co_return std::unexpected{kept.error()};
        co_return CommandResult{};
    }

    Task<Answer> erase(std::string key) {
        auto erasing = notices_.erase(Jid{}, std::move(key));
        const auto erased = co_await std::move(erasing);
        if (!erased) co_return std::unexpected{erased.error()};
        co_return CommandResult{};
    }

    static constexpr const char* motd_key = "motd";
    static constexpr const char* welcome_key = "welcome";
    KeyValue notices_ = store("notices");
    Table noticed_{"noticed"};
};

}   // namespace

TAMBO_MODULE(Announce, "announce", "0.1.0", 1)
