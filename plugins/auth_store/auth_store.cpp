// Accounts in the store: SCRAM keys (RFC 5802 §3) in the table "credentials", under the bare JID. Never a password.
#include <functional>
#include <string>
#include <utility>

#include <tambo/tambo.hpp>

#include "record.hpp"
#include "turns.hpp"

namespace {

using namespace tambo;

class AuthStore final : public Module, public AuthProvider {
public:
    void wire(Wiring& w) override {
        w.provide(static_cast<AuthProvider*>(this));
        w.keeps("credentials", "the keys that passwords are checked with");
    }

    Task<Result<Credentials>> look_up(Jid bare) override {
        const auto record = co_await credentials_.get(bare);
        if (!record) co_return std::unexpected{record.error()};
        if (!*record) co_return fail(Condition::item_not_found);
        auto credentials = auth_store::read(**record);
        if (!credentials) {
            tell_damaged(bare);
            co_return fail(Condition::internal_server_error, "the account's credentials are damaged");
        }
        co_return std::move(*credentials);
    }

    Task<Result<bool>> exists(Jid bare) override {
        const auto record = co_await credentials_.get(bare);
        if (!record) co_return std::unexpected{record.error()};
        co_return record->has_value();
    }

    Task<Result<Nothing>> set(Jid bare, Credentials credentials, bool only_new) override {
        if (!auth_store::is_sound(credentials))
            co_return fail(Condition::not_acceptable, "no credentials that can be kept");
        auth_store::Turns::Turn turn{turns_, bare};
        co_await turn.begun();
        auto record = auth_store::write(credentials);   // named: g++ 12 destroys some temporaries of co_await twice
        auto keeping =
            only_new ? credentials_.insert(bare, {}, std::move(record)) : credentials_.put(bare, {}, std::move(record));
        co_return co_await std::move(keeping);
    }

    Task<Result<Nothing>> remove(Jid bare) override {
        auth_store::Turns::Turn turn{turns_, bare};
        co_await turn.begun();
        co_return co_await credentials_.erase(bare);
    }

    Task<Result<std::vector<std::string>>> accounts(std::string after, std::size_t limit) override {
        auto asking = credentials_.owners(std::move(after), limit);
        co_return co_await std::move(asking);
    }

private:
    /// Once: whoever can try to log in can make this happen again.
    void tell_damaged(const Jid& bare) {
        if (std::exchange(has_told_damage_, true)) return;
        log().error(
            "the credentials of {} are damaged; nobody can log in to the account until its password is set "
            "again (further damaged accounts are not named)",
            bare.text());
    }

    KeyValue credentials_{store("credentials")};
    auth_store::Turns turns_{[this](std::function<void()> job) { host().defer(std::move(job)); }};
    bool has_told_damage_ = false;
};

}   // namespace

TAMBO_MODULE(AuthStore, "auth_store", "0.1.0", 1)
