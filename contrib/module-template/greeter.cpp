// No XEP: greets whoever asks, by the name of their choice, and knows how often they asked.
#include <cstdint>
#include <string>
#include <string_view>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view greeter_space = "urn:example:greeter";
constexpr std::size_t max_name_bytes = 100;

/// What is known of one session. The kernel owns the bytes: another version of this module goes on with them.
struct Asked {
    static constexpr int version = 1;   // raise it when the fields change
    std::uint32_t times = 0;
};

class GreeterModule final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&GreeterModule::answer>(greeter_space, "greeting", this, Scope::account);
        w.feature(greeter_space, Scope::account);
        w.keeps("greeter-names", "the name by which one wants to be greeted");
        w.command<&GreeterModule::tell>(
            {.node = "greeter-name",
             .words = "greeter name",
             .label = "By which name is this user greeted?",
             .audience = Audience::admin,
             .arguments = {{.name = "account", .label = "The user's address", .kind = Argument::Kind::account}}},
            this);
        greetings_ = &w.counter("greetings_total", "greetings that were given");
    }

private:
    Reply answer(Iq& iq) {
        if (!iq.is_own()) return Error{Condition::forbidden};   // everybody asks for their own greeting
        auto& account = *iq.account();
        if (iq.is_set()) return rename(account, iq.payload().text());
        greetings_->add();
        const auto times = ++asked_(*iq.session()).times;
        return Iq::result()
            .element("greeting", greeter_space)
            .attribute("times", times)
            .text(*words_ + ", " + name(account));
    }

    /// The result goes out when the name is on disk, not before.
    Reply rename(Account& account, std::string_view name) const {
        if (name.size() > max_name_bytes) return Error{Condition::not_acceptable, "that name is too long"};
        names_.put(account, "name", std::string{name});
        return {};
    }

    std::string name(const Account& account) const {
        const auto* chosen = names_.get(account, "name");
        return chosen != nullptr ? *chosen : std::string{account.jid().local()};
    }

    /// The kernel calls it where the account is, and has checked that it exists.
    Task<Result<CommandResult>> tell(CommandCall call) {
        const auto* account = host().find_account(call.jid("account"));
        if (account == nullptr) co_return fail(Condition::item_not_found, "there is no such account");
        co_return CommandResult{.text = name(*account)};
    }

    Option<std::string> words_{"words", "Good morrow", "what is said before the name"};
    Table names_{"greeter-names"};         // rows of each account: outlives the process
    Slot<Asked> asked_{"greeter-asked"};   // plain data of each session: outlives this version of the module
    Counter* greetings_ = nullptr;         // the kernel's, and so is the figure
};

}   // namespace

TAMBO_MODULE(GreeterModule, "greeter", "1.0", /*what save() writes*/ 1)
