// XEP-0227 (1.1): accounts with all that they have, for and from other servers.
//
// tamboctl drives it, one account at a time, so that no document is ever in memory here: `user export` asks for the
// frame and then for each <user/>, `user import` takes a file apart and sends each <user/>. Modules add and take their
// own parts (Event::exported, Event::imported); credentials and waiting messages, which have to be asked for, are ours.
#include <string>
#include <utility>

#include <fmt/format.h>

#include <tambo/tambo.hpp>

#include "credentials.hpp"

namespace {

using namespace tambo;
using namespace tambo::portability;

constexpr std::string_view delay_space = "urn:xmpp:delay";
constexpr std::size_t messages_at_once = 100;
constexpr std::uint32_t iterations = 10'000;

class Portability final : public Module {
public:
    void wire(Wiring& w) override {
        const Argument account{"accountjid", "The account", Argument::Kind::account};
        const Argument user{"user", "A <user/> as XEP-0227 has it", Argument::Kind::line};
        w.command<&Portability::frame>({"portability#frame", "", "What stands around exported accounts", for_tools},
                                       this);
        w.command<&Portability::write>({"portability#export", "", "Export an account", for_tools, {account}}, this);
        // Two steps: while the first one runs there may be no account yet.
        w.command<&Portability::make>({"portability#make",
                                       "",
                                       "Make an account with the credentials of an exported one",
                                       for_tools,
                                       {{"accountjid", "The account", Argument::Kind::jid},
                                        user,
                                        {"replace", "Also if there is one", Argument::Kind::flag, false, {}, "false"}}},
                                      this);
        w.command<&Portability::fill>(
            {"portability#import", "", "Give an account what an exported one had", for_tools, {account, user}}, this);
    }

private:
    using Answer = Task<Result<CommandResult>>;
    static constexpr auto for_tools = Audience::operator_;

    static CommandResult::Value value(std::string name, std::string text) {
        return {std::move(name), {}, {std::move(text)}};
    }

    // §4, §4.1
    Answer frame(CommandCall) {
        CommandResult result;
        result.values.push_back(value(
            "head",
            fmt::format("<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='{}'>\n", portability::space)));
        result.values.push_back(value("host-tail", "</host>\n"));
        result.values.push_back(value("tail", "</server-data>\n"));
        co_return result;
    }

    Answer write(CommandCall call) {
        const auto jid = call.jid("accountjid");
        auto keys = credentials_of(jid);
        const auto credentials = co_await std::move(keys);
        if (!credentials) co_return std::unexpected{credentials.error()};
        auto messages = waiting_messages(jid);
        const auto offline = co_await std::move(messages);
        if (!offline) co_return std::unexpected{offline.error()};
        auto* account = host().find_account(jid);
        if (account == nullptr) co_return fail(Condition::item_not_found, "the account is gone");
        const auto kept = host().export_account(*account);
        CommandResult result;
        result.values.push_back(value("host", std::string{jid.domain()}));
        result.values.push_back(value("host-head", fmt::format("<host jid='{}'>\n", escape(jid.domain()))));
        result.values.push_back(value("user", fmt::format("<user name='{}'>{}{}{}</user>\n", escape(jid.local()),
                                                          written(*credentials), in_this_document(kept), *offline)));
        co_return result;
    }

    Task<Result<Credentials>> credentials_of(Jid jid) {
        auto* auth = host().auth();
        if (auth == nullptr) co_return fail(Condition::service_unavailable, "no auth plugin is loaded");
        auto asking = auth->look_up(std::move(jid));
        auto found = co_await std::move(asking);
        co_return found;
    }

    /// Modules write where jabber:client is the default namespace; here it is not.
    static std::string in_this_document(const Stanza& user) {
        std::string all;
        for (const Element child : user.xml().children()) all += explicitly(child);
        return all;
    }
    static std::string explicitly(const Element& child) {
        auto xml = child.standalone();
        if (child.space() != ns::client) return xml;
        const auto end_of_name = xml.find_first_of(" />\t\n\r");
        if (xml.substr(0, xml.find('>')).find(" xmlns=") == std::string::npos)
            xml.insert(end_of_name, fmt::format(" xmlns='{}'", ns::client));
        return xml;
    }

    // §4.5. A delay from our own domain says when a message came; there is no other place for it.
    Task<Result<std::string>> waiting_messages(Jid jid) {
        std::string all;
        for (std::uint64_t after = 0;;) {
            auto* account = host().find_account(jid);
            if (account == nullptr) co_return fail(Condition::item_not_found, "the account is gone");
            auto reading = host().journal().read(*account, after, messages_at_once);
            const auto entries = co_await std::move(reading);
            if (!entries) co_return std::unexpected{entries.error()};
            if (entries->empty()) break;
            after = entries->back().sequence;
            for (const auto& entry : *entries) all += as_offline_message(entry, jid.domain());
        }
        co_return all.empty() ? all : fmt::format("<offline-messages>{}</offline-messages>", all);
    }
    static std::string as_offline_message(const JournalEntry& entry, std::string_view domain) {
        auto message = Stanza::parse(entry.stanza);
        if (!message) return {};
        if (!own_delay(*message, domain))
            message->append(Writer{}
                                .element("delay", delay_space)
                                .attribute("from", domain)
                                .attribute("stamp", format_time(entry.time))
                                .take());
        auto xml = message->str();
        if (xml.substr(0, xml.find('>')).find(" xmlns=") == std::string::npos)
            xml.insert(std::string_view{"<message"}.size(), fmt::format(" xmlns='{}'", ns::client));
        return xml;
    }
    static Element own_delay(const Stanza& message, std::string_view domain) {
        for (const Element child : message.xml().children())
            if (child.is("delay", delay_space) && child.attribute("from") == domain) return child;
        return {};
    }

    Answer make(CommandCall call) {
        const auto jid = call.jid("accountjid").bare();
        if (jid.local().empty() || !host().is_local(jid.domain()))
            co_return fail(Condition::item_not_found, fmt::format("{} is no domain of this server", jid.domain()));
        auto* auth = host().auth();
        if (auth == nullptr) co_return fail(Condition::service_unavailable, "no auth plugin is loaded");
        const auto user = parse_xml(call.get("user"));
        if (!user) co_return fail(Condition::bad_request, user.error().text);
        auto brought = read_credentials(Element{*user, 0});
        if (!brought) co_return std::unexpected{brought.error()};
        CommandResult result;
        if (brought->credentials.keys.empty()) {
            const bool has_none = !brought->password;
            auto password = has_none ? base64(random_bytes(32)) : *brought->password;
            auto deriving = host().offload([password] { return derive_credentials(password, iterations); });
            brought->credentials = co_await std::move(deriving);
            if (has_none) result.text = "it has no password: set one";
        }
        auto keeping = host().auth()->set(jid, std::move(brought->credentials), !call.flag("replace"));
        const auto kept = co_await std::move(keeping);
        if (!kept) co_return std::unexpected{kept.error()};
        host().account_made(jid);
        co_return result;
    }

    Answer fill(CommandCall call) {
        const auto jid = call.jid("accountjid");
        auto user = Stanza::parse(call.get("user"));
        if (!user) co_return fail(Condition::bad_request, user.error().text);
        auto* account = host().find_account(jid);
        if (account == nullptr) co_return fail(Condition::item_not_found, "the account is gone");
        const auto offline = take_offline_messages(*user, jid);
        take_credentials(*user);
        host().import_account(*account, *user);
        if (offline) {
            auto putting = put_messages(jid, *offline);
            const auto put = co_await std::move(putting);
            if (!put) co_return std::unexpected{put.error()};
        }
        auto keeping = host().kept();
        const auto kept = co_await std::move(keeping);
        if (!kept) co_return std::unexpected{kept.error()};
        CommandResult result;
        result.text = left_over(*user);
        co_return result;
    }

    struct Waiting {
        Time time;
        Stanza message;
    };

    /// Nothing if the account has no such element: then what waits here stays.
    std::optional<std::vector<Waiting>> take_offline_messages(Stanza& user, const Jid& jid) {
        Element all;
        for (const Element child : user.xml().children())
            if (child.name() == "offline-messages") all = child;
        if (!all) return std::nullopt;
        std::vector<Waiting> found;
        for (const Element child : all.children()) {
            auto message = Stanza::parse(child.standalone());
            if (!message || !message->is_message() || message->from().empty()) continue;
            message->set_to(jid);
            Time time = now();
            for (const Element delay : message->xml().children())
                if (delay.is("delay", delay_space)) time = parse_time(delay.attribute("stamp")).value_or(time);
            while (const auto ours = own_delay(*message, jid.domain())) message->remove(ours);
            found.push_back({time, std::move(*message)});
        }
        user.remove(all);
        return found;
    }
    static void take_credentials(Stanza& user) {
        for (;;) {
            const auto one = user.child("scram-credentials", scram_space);
            if (!one) return;
            user.remove(one);
        }
    }

    Task<Result<Nothing>> put_messages(Jid jid, std::vector<Waiting> messages) {
        auto dropping = drop_waiting(jid);
        const auto dropped = co_await std::move(dropping);
        if (!dropped) co_return std::unexpected{dropped.error()};
        auto* account = host().find_account(jid);
        if (account == nullptr) co_return fail(Condition::item_not_found, "the account is gone");
        auto& journal = host().journal();
        for (auto& [time, message] : messages)
            journal.set_down(*account, journal.append(*account, message, time, journal.next_id()));
        co_return Nothing{};   // kept() tells whether all of it was kept
    }
    Task<Result<Nothing>> drop_waiting(Jid jid) {
        for (std::uint64_t after = 0;;) {
            auto* account = host().find_account(jid);
            if (account == nullptr) co_return fail(Condition::item_not_found, "the account is gone");
            auto reading = host().journal().read(*account, after, messages_at_once);
            const auto entries = co_await std::move(reading);
            if (!entries) co_return std::unexpected{entries.error()};
            if (entries->empty()) co_return Nothing{};
            after = entries->back().sequence;
            account = host().find_account(jid);
            if (account == nullptr) co_return fail(Condition::item_not_found, "the account is gone");
            auto dropping = host().journal().drop(*account, *entries);
            const auto dropped = co_await std::move(dropping);
            if (!dropped) co_return std::unexpected{dropped.error()};
        }
    }
    /// §4: who cannot take something in should say so.
    static std::string left_over(const Stanza& user) {
        std::string names;
        for (const Element child : user.xml().children())
            names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", child.name(), child.space());
        return names.empty() ? "imported" : "imported, but nobody knew what to do with " + names;
    }
};

}   // namespace

TAMBO_MODULE(Portability, "portability", "0.1.0", /*state version*/ 1)
