// XEP-0050 (1.3.0): the commands of all modules, given in clients: without arguments at once, else with one form.
// modules/disco lists them.
#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/tambo.hpp>

#include "audience.hpp"
#include "forms.hpp"

namespace {

using namespace tambo;
using adhoc::commands_space;

constexpr std::string_view slot_name = "adhoc";
constexpr std::size_t id_characters = 24;

/// The specific conditions of §4.4.
constexpr std::string_view bad_action = "bad-action", bad_payload = "bad-payload", bad_session = "bad-sessionid",
                           expired = "session-expired", malformed_action = "malformed-action";

bool is_action(std::string_view action) {
    return action.empty() || action == "execute" || action == "cancel" || action == "prev" || action == "next" ||
           action == "complete";
}

/// Whatever looks like one of ours may have been one.
bool is_id(std::string_view id) {
    return id.size() == id_characters &&
           std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
}

/// Forms that a client has been given and not yet sent back. They lie in a slot of its session, so nobody else has them
/// and they end with it: a line each, "ID DEADLINE NODE", oldest first.
class OpenForms {
public:
    OpenForms(std::string& lines, std::int64_t now_ms) : lines_(lines), now_ms_(now_ms) {}

    void add(std::string_view id, std::string_view node, Duration lifetime, std::size_t most) {
        keep_if([&](std::string_view, std::int64_t deadline, std::string_view) { return deadline > now_ms_; });
        while (static_cast<std::size_t>(std::ranges::count(lines_, '\n')) >= most)
            lines_.erase(0, lines_.find('\n') + 1);
        lines_ += fmt::format("{} {} {}\n", id, now_ms_ + lifetime.count(), node);
    }
    bool has(std::string_view wanted, std::string_view node) const {
        bool is_there = false;
        each([&](std::string_view id, std::int64_t deadline, std::string_view n) {
            is_there = is_there || (id == wanted && n == node && deadline > now_ms_);
        });
        return is_there;
    }
    void remove(std::string_view gone) {
        keep_if([&](std::string_view id, std::int64_t, std::string_view) { return id != gone; });
    }

private:
    template <class F>
    void each(F see) const {
        for (std::string_view rest = lines_; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1)) {
            const auto line = rest.substr(0, rest.find('\n'));
            const auto first = line.find(' '), second = line.find(' ', first + 1);
            std::int64_t deadline = 0;
            std::from_chars(line.data() + first + 1, line.data() + second, deadline);
            see(line.substr(0, first), deadline, line.substr(second + 1));
        }
    }
    template <class F>
    void keep_if(F wanted) {
        std::string kept;
        each([&](std::string_view id, std::int64_t deadline, std::string_view node) {
            if (wanted(id, deadline, node)) kept += fmt::format("{} {} {}\n", id, deadline, node);
        });
        lines_ = std::move(kept);
    }
    std::string& lines_;
    std::int64_t now_ms_;
};

class AdHoc final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&AdHoc::answer>(commands_space, "command", this, Scope::server);
        w.feature(commands_space);
        w.needs("disco");
    }

private:
    /// What is told apart before anything is done.
    struct Request {
        std::string node, action, id;
    };

    Task<Reply> answer(Iq iq) {
        if (!iq.is_set()) co_return Error{Condition::bad_request, "a command is given by an iq of type set"};
        if (iq.session() == nullptr) co_return Error{Condition::forbidden, "commands are for our own users"};
        const auto payload = iq.payload();
        const Request request{std::string{payload.attribute("node")}, std::string{payload.attribute("action")},
                              std::string{payload.attribute("sessionid")}};
        const auto command = adhoc::find_command(request.node, host());
        if (!command) co_return Error{Condition::item_not_found, "there is no such command"};
        if (!adhoc::is_for(*command, iq.from(), host())) co_return Error{Condition::forbidden};
        if (!is_action(request.action)) co_return refuse(iq, Condition::bad_request, malformed_action);
        if (request.id.empty()) {
            auto beginning = begin(std::move(iq), *command, request);
            co_return co_await std::move(beginning);
        }
        auto going_on = go_on(std::move(iq), *command, request);
        co_return co_await std::move(going_on);
    }

    // --- §2.4.1: the first stage

    Task<Reply> begin(Iq iq, Command command, Request request) {
        if (!request.action.empty() && request.action != "execute")
            co_return refuse(iq, Condition::bad_request, bad_action);
        const auto id = random_token(id_characters);
        if (command.arguments.empty()) {
            auto giving = give(std::move(iq), std::move(command), CommandCall{}, id);
            co_return co_await std::move(giving);
        }
        CommandCall call;
        call.who = iq.from();
        open_forms(*iq.session()).add(id, command.node, *lifetime_, static_cast<std::size_t>(most_forms));
        auto filling = host().prefill(command.node, std::move(call));
        const auto known = co_await std::move(filling);
        if (!known) co_return known.error();
        Reply reply = respond(command.node, id, "executing");
        // §3.4: one form and no further stage.
        reply.element("actions").attribute("execute", "complete").element("complete").end().end();
        reply.raw(adhoc::ask(command, *known));
        co_return reply;
    }

    // --- the second one

    Task<Reply> go_on(Iq iq, Command command, Request request) {
        auto forms = open_forms(*iq.session());
        if (!forms.has(request.id, request.node))
            co_return is_id(request.id) ? refuse(iq, Condition::not_allowed, expired)
                                        : refuse(iq, Condition::bad_request, bad_session);
        if (request.action == "cancel") {
            forms.remove(request.id);
            co_return respond(request.node, request.id, "canceled");
        }
        if (request.action == "prev" || request.action == "next")
            co_return refuse(iq, Condition::bad_request, bad_action);
        const auto form = iq.payload().child("x", adhoc::data_space);
        if (!form) co_return refuse(iq, Condition::bad_request, bad_payload, "the form is missing");
        // Taken now and put back if the form was not good: nobody can give the same command twice in the meantime.
        forms.remove(request.id);
        auto giving = give(std::move(iq), command, adhoc::filled_in(command, form), request.id);
        co_return co_await std::move(giving);
    }

    /// Errors go back as errors (XEP-0133 §5 names the conditions), with the reason as text.
    Task<Reply> give(Iq iq, Command command, CommandCall call, std::string id) {
        call.who = iq.from();
        auto giving = host().give(command.node, std::move(call));
        const auto result = co_await std::move(giving);
        if (!result && result.error().condition == Condition::bad_request && !command.arguments.empty()) {
            reopen(iq.from(), id, command.node);
            co_return refuse(iq, Condition::bad_request, bad_payload, result.error().text);
        }
        if (!result) co_return result.error();
        Reply reply = respond(command.node, id, "completed");
        reply.raw(adhoc::report(command, *result));
        if (!result->text.empty()) reply.element("note").attribute("type", "info").text(result->text).end();
        co_return reply;
    }

    void reopen(const Jid& who, std::string_view id, std::string_view node) {
        auto* account = host().find_account(who.bare());
        if (auto* session = account != nullptr ? account->find(who.resource()) : nullptr)
            open_forms(*session).add(id, node, *lifetime_, static_cast<std::size_t>(most_forms));
    }

    OpenForms open_forms(Session& session) const {
        return {session.slot(slot_name), std::int64_t{host().uptime().count()}};
    }

    static Reply respond(std::string_view node, std::string_view id, std::string_view status) {
        Reply reply;
        reply.element("command", commands_space).attribute("node", node).attribute("sessionid", id);
        reply.attribute("status", status).attribute("xml:lang", "en");
        return reply;
    }

    /// §4.4: an error with a condition of its own beside the general one.
    Reply refuse(const Iq& iq, Condition condition, std::string_view specific, std::string text = {}) const {
        Stanza error = iq.error(Error{condition, std::move(text)});
        std::string inner{error.inner()};
        constexpr std::string_view end = "</error>";
        inner.insert(inner.rfind(end), Writer{}.element(specific, commands_space).take());
        error.set_inner(std::move(inner));
        host().route(std::move(error));
        return Reply::none();
    }

    static constexpr std::int64_t most_forms = 8;
    Option<Duration> lifetime_{"lifetime", std::chrono::minutes{10}, "time to fill in a form"};
};

}   // namespace

TAMBO_MODULE(AdHoc, "adhoc", "0.1.0", 1)
