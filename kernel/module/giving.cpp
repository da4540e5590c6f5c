#include "module/giving.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "module/instance.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

using Domains = std::function<bool(std::string_view)>;

Result<std::string> flag(std::string_view text) {
    constexpr std::array<std::string_view, 5> yes{"1", "true", "yes", "on", "y"}, no{"0", "false", "no", "off", "n"};
    if (std::ranges::find(yes, text) != yes.end()) return "true";
    if (std::ranges::find(no, text) != no.end()) return "false";
    return fail(Condition::bad_request, "expected yes or no");
}

Result<std::string> account(std::string_view text, const Domains& is_local) {
    const auto jid = Jid::parse(text);
    if (!jid || !jid->is_bare() || jid->local().empty() || !is_local(jid->domain()))
        return fail(Condition::bad_request, "expected an account of this server, user@domain");
    return std::string{jid->text()};
}

Result<std::string> address(std::string_view text) {
    const auto jid = Jid::parse(text);
    if (!jid) return fail(Condition::bad_request, "expected a JID");
    return std::string{jid->text()};
}

Result<std::string> value_of(const Argument& argument, const std::string& text, const Domains& is_local) {
    using Kind = Argument::Kind;
    switch (argument.kind) {
        case Kind::account:
            return account(text, is_local);
        case Kind::jid:
        case Kind::jids:
            return address(text);
        case Kind::flag:
            return flag(text);
        case Kind::choice:
            if (std::ranges::find(argument.choices, text) == argument.choices.end())
                return fail(Condition::bad_request,
                            fmt::format("expected one of {}", fmt::join(argument.choices, ", ")));
            return text;
        case Kind::line:
        case Kind::paragraph:
        case Kind::secret:
            return text;
    }
    return text;
}

bool takes_many(const Argument& argument) {
    return argument.kind == Argument::Kind::jids || argument.kind == Argument::Kind::paragraph;
}

Result<Nothing> check_one(const Argument& argument, CommandCall& call, const Domains& is_local) {
    auto& values = call.given[argument.name];
    const bool is_text =
        argument.kind == Argument::Kind::paragraph && !std::ranges::all_of(values, &std::string::empty);
    if (!is_text) std::erase(values, "");   // an empty line parts a text; elsewhere it says nothing
    if (values.empty() && !argument.fallback.empty()) values = {argument.fallback};
    if (values.empty()) {
        call.given.erase(argument.name);
        if (argument.is_required) return fail(Condition::bad_request, fmt::format("{}: missing", argument.name));
        return Nothing{};
    }
    if (values.size() > 1 && !takes_many(argument))
        return fail(Condition::bad_request, fmt::format("{}: one value only", argument.name));
    for (auto& value : values) {
        auto good = value_of(argument, value, is_local);
        if (!good) return fail(good.error().condition, fmt::format("{}: {}", argument.name, good.error().text));
        value = std::move(*good);
    }
    return Nothing{};
}

bool may(const Kernel& kernel, Audience audience, const Jid& who) {
    if (who.empty()) return true;   // the operator
    if (audience == Audience::user) return !who.local().empty() && kernel.is_local(who.domain());
    return audience == Audience::admin && kernel.is_admin(who);
}

/// Whom the command is about: on whose home shard it runs. Empty: anywhere.
Jid subject(const Command& command, const CommandCall& call) {
    for (const auto& argument : command.arguments)
        if (argument.kind == Argument::Kind::account && !call.get(argument.name).empty())
            return call.jid(argument.name);
    return command.audience == Audience::user ? call.who.bare() : Jid{};
}

/// Brings the answer back, and an error if it goes out of scope without one: the task was destroyed where it waited.
class Answer {
public:
    Answer(Shard& asking, std::function<void(Result<CommandResult>)> done) : asking_(asking), done_(std::move(done)) {}
    ~Answer() {
        say(fail(Condition::internal_server_error, "the module was taken out, or failed, before it had an answer"));
    }
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;
    void say(Result<CommandResult> result) {
        if (done_)
            asking_.post([done = std::exchange(done_, {}), r = std::move(result)]() mutable { done(std::move(r)); });
    }

private:
    Shard& asking_;
    std::function<void(Result<CommandResult>)> done_;
};

/// Keeps an account in memory while a command runs for it.
std::shared_ptr<LocalAccount> pinned(LocalAccount& account) {
    ++account.pins;
    return {&account, [](LocalAccount* a) { --a->pins; }};   // shared by nobody: only for its deleter
}

Task<void> run(Task<Result<CommandResult>> work, std::shared_ptr<Answer> answer, std::shared_ptr<LocalAccount> pin) {
    auto result = co_await std::move(work);
    answer->say(std::move(result));
    pin.reset();
}

void run_here(Shard& shard, const std::string& node, CommandCall call, const std::shared_ptr<Answer>& answer,
              std::shared_ptr<LocalAccount> pin) {
    const auto* command = shard.hooks.find_command(node);   // again: this may be another shard, another version
    if (command == nullptr) return answer->say(fail(Condition::item_not_found, "no such command"));
    command->owner->run(run(command->call(command->self, std::move(call)), answer, std::move(pin)), {},
                        {"command " + node});
}

/// Calls `then` with the account in memory, or with null and the reason.
void with_account(Shard& home, const Jid& bare, const std::function<void(LocalAccount*, Error)>& then) {
    auto& account = home.account(bare);
    ++account.pins;
    account.when_loaded([&account, then](bool loaded) {
        --account.pins;
        if (!loaded) return then(nullptr, {Condition::resource_constraint, "the store does not answer"});
        if (!account.exists()) return then(nullptr, {Condition::item_not_found, "no such account"});
        then(&account, {});
    });
}

Result<const Hooks::OnCommand*> find(Shard& asking, const std::string& node, const Jid& who) {
    const auto* command = asking.hooks.find_command(node);
    if (command == nullptr) return fail(Condition::item_not_found, "no such command");
    if (!may(asking.kernel, command->declared.audience, who))
        return fail(Condition::forbidden, "this command is not for you");
    return command;
}

void preset(const Command& command, CommandCall& call) {
    for (const auto& argument : command.arguments)
        if (!argument.fallback.empty() && call.given[argument.name].empty())
            call.given[argument.name] = {argument.fallback};
}

using Filled = std::function<void(Result<CommandCall>)>;

/// A form that is about to be shown. If the module fails to fill it in, it is shown as it is.
class Form {
public:
    Form(Shard& asking, CommandCall call, Filled done)
        : asking_(asking), call_(std::move(call)), done_(std::move(done)) {}
    ~Form() { say(std::move(call_)); }
    Form(const Form&) = delete;
    Form& operator=(const Form&) = delete;
    void say(Result<CommandCall> result) {
        if (done_)
            asking_.post([done = std::exchange(done_, {}), r = std::move(result)]() mutable { done(std::move(r)); });
    }
    const CommandCall& call() const noexcept { return call_; }

private:
    Shard& asking_;
    CommandCall call_;
    Filled done_;
};

Task<void> fill(Task<CommandCall> work, std::shared_ptr<Form> form, std::shared_ptr<LocalAccount> pin) {
    auto filled = co_await std::move(work);
    form->say(std::move(filled));
    pin.reset();
}

void fill_here(Shard& shard, const std::string& node, const std::shared_ptr<Form>& form,
               std::shared_ptr<LocalAccount> pin) {
    const auto* command = shard.hooks.find_command(node);
    if (command == nullptr || command->prefill == nullptr) return;
    command->owner->run(fill(command->prefill(command->self, form->call()), form, std::move(pin)), {},
                        {"command " + node});
}

}   // namespace

Result<Nothing> check_arguments(const Command& command, CommandCall& call, const Domains& is_local) {
    std::erase_if(call.given, [&](const auto& g) {
        return std::ranges::find(command.arguments, g.first, &Argument::name) == command.arguments.end();
    });
    for (const auto& argument : command.arguments)
        if (auto good = check_one(argument, call, is_local); !good) return good;
    return Nothing{};
}

void give_command(Shard& asking, std::string node, CommandCall call, std::function<void(Result<CommandResult>)> done) {
    const auto command = find(asking, node, call.who);
    if (!command) return done(std::unexpected{command.error()});
    const auto& declared = (*command)->declared;
    const auto good = check_arguments(declared, call, [&](std::string_view d) { return asking.kernel.is_local(d); });
    if (!good) return done(std::unexpected{good.error()});
    const auto about = subject(declared, call);
    auto answer = std::make_shared<Answer>(asking, std::move(done));
    if (about.empty()) return run_here(asking, node, std::move(call), answer, {});
    auto& home = asking.kernel.home(about);
    home.post([&home, about, node = std::move(node), call = std::move(call), answer] {
        with_account(home, about, [&home, node, call, answer](LocalAccount* account, Error why) {
            if (account == nullptr) return answer->say(std::unexpected{std::move(why)});
            run_here(home, node, call, answer, pinned(*account));
        });
    });
}

void prefill_command(Shard& asking, std::string node, CommandCall call, std::function<void(Result<CommandCall>)> done) {
    const auto command = find(asking, node, call.who);
    if (!command) return done(std::unexpected{command.error()});
    const auto about = subject((*command)->declared, call);
    auto form = std::make_shared<Form>(
        asking, std::move(call), [declared = (*command)->declared, done = std::move(done)](Result<CommandCall> filled) {
            if (filled) preset(declared, *filled);
            done(std::move(filled));
        });
    if ((*command)->prefill == nullptr || about.empty()) return fill_here(asking, node, form, {});
    auto& home = asking.kernel.home(about);
    home.post([&home, about, node = std::move(node), form] {
        with_account(home, about, [&home, node, form](LocalAccount* account, Error why) {
            if (account == nullptr) return form->say(std::unexpected{std::move(why)});
            fill_here(home, node, form, pinned(*account));
        });
    });
}

}   // namespace tambo
