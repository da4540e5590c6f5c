// For tests: one account's data becomes another's, by way of what modules export (XEP-0227; wants a server with one
// shard); and an account is removed by a command, which keeps it in memory meanwhile.
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Mirror final : public Module {
public:
    void wire(Wiring& w) override {
        w.command<&Mirror::copy>({.node = "mirror",
                                  .words = {},
                                  .label = "Copy everything from one account to another",
                                  .audience = Audience::operator_,
                                  .arguments = {{.name = "from", .label = "From", .kind = Argument::Kind::account},
                                                {.name = "to", .label = "To", .kind = Argument::Kind::jid}}},
                                 this);
        w.command<&Mirror::remove>({.node = "remove",
                                    .words = {},
                                    .label = "Remove an account",
                                    .audience = Audience::operator_,
                                    .arguments = {{.name = "who", .label = "Who", .kind = Argument::Kind::account}}},
                                   this);
    }

private:
    /// What was exported is the answer.
    Task<Result<CommandResult>> copy(CommandCall call) {
        auto loading = host().load_account(call.jid("to"));
        auto* to = co_await std::move(loading);
        auto* from = host().find_account(call.jid("from"));
        if (to == nullptr || from == nullptr) co_return fail(Condition::item_not_found, "both have to live here");
        Stanza user = host().export_account(*from);
        const auto text = user.str();
        host().import_account(*to, user);
        auto keeping = host().kept();
        const auto kept = co_await std::move(keeping);
        if (!kept) co_return std::unexpected{kept.error()};
        co_return CommandResult{.text = text};
    }

    Task<Result<CommandResult>> remove(CommandCall call) {
        auto removing = host().remove_account(call.jid("who"));
        const auto removed = co_await std::move(removing);
        if (!removed) co_return std::unexpected{removed.error()};
        co_return CommandResult{.text = "gone"};
    }
};

}   // namespace

TAMBO_MODULE(Mirror, "mirror", "1", 1)
