// What an operator can do with users and sessions (server.hpp). Everything here waits for shards.
#include <algorithm>
#include <future>

#include "module/construction.hpp"
#include "module/giving.hpp"
#include "server/impl.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

enum class Wanted : std::uint8_t { fresh, known };

// What is awaited has a name: g++ 12 destroys some temporaries of a co_await expression twice.
Task<void> keep_user(AuthProvider& auth, Jid jid, Credentials credentials, Wanted wanted,
                     std::function<void(Result<Nothing>)> done) {
    if (wanted == Wanted::known) {
        auto asking = auth.exists(jid);
        const auto exists = co_await std::move(asking);
        if (!exists) co_return done(std::unexpected{exists.error()});
        if (!*exists) co_return done(fail(Condition::item_not_found, "no such account"));
    }
    auto keeping = auth.set(std::move(jid), std::move(credentials), wanted == Wanted::fresh);
    auto kept = co_await std::move(keeping);
    done(std::move(kept));
}

Task<void> look_for_user(AuthProvider& auth, Jid jid, std::function<void(Result<Nothing>)> done) {
    auto asking = auth.exists(std::move(jid));
    const auto exists = co_await std::move(asking);
    if (!exists) co_return done(std::unexpected{exists.error()});
    if (!*exists) co_return done(fail(Condition::item_not_found, "no such account"));
    done(Nothing{});
}

constexpr std::uint32_t iterations_for_operators = 10'000;
constexpr std::chrono::seconds patience{30};
constexpr std::chrono::minutes patience_with_commands{10};
constexpr Duration pump_time{100};   // then the clock is looked at again

using Done = std::function<void(Result<Nothing>)>;

// Runs `job` on a shard and waits for what it reports.
template <class T>
Result<T> at(Kernel& kernel, Shard& shard, std::chrono::seconds at_most,
             const std::function<void(Shard&, const std::function<void(Result<T>)>&)>& job) {
    if (!kernel.running) return fail(Condition::service_unavailable, "the server is not running");
    auto answer = std::make_shared<std::promise<Result<T>>>();
    auto waiting = answer->get_future();
    shard.post([&shard, job, answer] {
        auto said = std::make_shared<bool>(false);
        job(shard, [answer, said](Result<T> r) {
            if (!std::exchange(*said, true)) answer->set_value(std::move(r));
        });
    });
    const auto until = std::chrono::steady_clock::now() + at_most;
    while (kernel.runs_loop() && waiting.wait_for(Duration::zero()) != std::future_status::ready &&
           std::chrono::steady_clock::now() < until)
        kernel.pump(pump_time);
    if (waiting.wait_until(until) != std::future_status::ready)
        return fail(Condition::remote_server_timeout, fmt::format("no answer within {} s", at_most.count()));
    return waiting.get();
}

Result<Nothing> at_home(Kernel& kernel, const Jid& jid, const std::function<void(Shard&, const Done&)>& job) {
    return at<Nothing>(kernel, kernel.home(jid), patience, job);
}

Result<Nothing> keep_password(Kernel& kernel, std::string_view bare_jid, std::string_view password, Wanted wanted) {
    const auto jid = Jid::parse(bare_jid);
    if (!jid) return std::unexpected{jid.error()};
    if (!jid->is_bare() || jid->local().empty() || !kernel.is_local(jid->domain()))
        return fail(Condition::jid_malformed, "not an account of this server (user@domain)");
    const auto prepared = prepare_password(password);
    if (!prepared) return std::unexpected{prepared.error()};
    const auto credentials = derive_credentials(*prepared, iterations_for_operators);
    return at_home(kernel, *jid, [jid = *jid, credentials, wanted](Shard& shard, const Done& done) {
        if (shard.auth == nullptr) return done(fail(Condition::service_unavailable, "no auth plugin is loaded"));
        shard.auth_owner->run(
            keep_user(*shard.auth, jid, credentials, wanted, [&shard, jid, wanted, done](Result<Nothing> kept) {
                if (kept && wanted == Wanted::fresh) shard.account_made(jid);
                done(std::move(kept));
            }));
    });
}

}   // namespace

Result<Nothing> Server::add_user(std::string_view bare_jid, std::string_view password) {
    return keep_password(impl_->kernel(), bare_jid, password, Wanted::fresh);
}

Result<Nothing> Server::set_password(std::string_view bare_jid, std::string_view password) {
    return keep_password(impl_->kernel(), bare_jid, password, Wanted::known);
}

Result<Nothing> Server::remove_user(std::string_view bare_jid) {
    const auto jid = Jid::parse(bare_jid);
    if (!jid) return std::unexpected{jid.error()};
    return at_home(impl_->kernel(), *jid, [jid = *jid](Shard& shard, const Done& done) {
        if (shard.auth == nullptr) return done(fail(Condition::service_unavailable, "no auth plugin is loaded"));
        shard.auth_owner->run(look_for_user(*shard.auth, jid, [&shard, jid, done](Result<Nothing> found) {
            if (found)
                shard.remove_account(jid, done);
            else
                done(std::move(found));
        }));
    });
}

namespace {

Task<void> list_users(AuthProvider& auth, std::string after, std::size_t limit,
                      std::function<void(Result<std::vector<std::string>>)> done) {
    auto asking = auth.accounts(std::move(after), limit);
    auto found = co_await std::move(asking);
    done(std::move(found));
}

std::string show(const Session& session) {
    if (!session.is_available()) return "unavailable";
    const auto show = session.presence()->xml().child("show").text();
    return show.empty() ? "available" : std::string{show};
}

SessionInfo describe(const LocalSession& session) {
    SessionInfo info;
    const auto link = session.link();
    info.jid = session.jid().text();
    info.address = link.address;
    info.codec = link.codec;
    info.show = show(session);
    info.priority = session.priority();
    info.is_connected = link.is_connected;
    info.is_secure = link.is_secure;
    info.since = session.since();
    info.active = session.active();
    info.traffic = session.traffic();
    info.waiting = session.kept();
    return info;
}

bool fits(const Session& session, const Jid& wanted) {
    if (wanted.empty()) return true;
    return wanted.is_full() ? session.jid() == wanted : session.jid().bare_text() == wanted.text();
}

}   // namespace

Result<std::vector<std::string>> Server::users(std::string_view after, std::size_t limit) {
    using Found = std::vector<std::string>;
    auto& kernel = impl_->kernel();
    return at<Found>(kernel, *kernel.shards.front(), patience,
                     [after = std::string{after}, limit](Shard& shard, const auto& done) {
                         if (shard.auth == nullptr)
                             return done(fail(Condition::service_unavailable, "no auth plugin is loaded"));
                         shard.auth_owner->run(list_users(*shard.auth, after, limit, done));
                     });
}

std::vector<SessionInfo> Server::sessions(std::string_view jid) {
    Jid wanted;
    if (!jid.empty()) {
        auto parsed = Jid::parse(jid);
        if (!parsed) return {};
        wanted = std::move(*parsed);
    }
    std::vector<SessionInfo> all;
    std::mutex lock;
    impl_->kernel().on_each_shard([&](Shard& shard) {
        std::vector<SessionInfo> here;
        shard.each_session([&](LocalSession& session) {
            if (fits(session, wanted)) here.push_back(describe(session));
        });
        const std::lock_guard guard{lock};
        std::ranges::move(here, std::back_inserter(all));
    });
    std::ranges::sort(all, {}, &SessionInfo::jid);
    return all;
}

Result<std::size_t> Server::kick(std::string_view jid, std::string_view why) {
    auto wanted = Jid::parse(jid);
    if (!wanted) return std::unexpected{wanted.error()};
    auto& kernel = impl_->kernel();
    return at<std::size_t>(kernel, kernel.home(*wanted), patience,
                           [wanted = *wanted, why = std::string{why}](Shard& shard, const auto& done) {
                               auto* account = shard.find_account(wanted.bare());
                               std::vector<Session*> leaving;
                               if (account != nullptr)
                                   std::ranges::copy_if(account->sessions(), std::back_inserter(leaving),
                                                        [&](Session* s) { return fits(*s, wanted); });
                               for (auto* session : leaving) session->close(StreamCondition::policy_violation, why);
                               done(leaving.size());
                           });
}

Result<Nothing> Server::send(Stanza stanza) {
    auto& kernel = impl_->kernel();
    if (!kernel.is_local(stanza.from().domain()))
        return fail(Condition::not_allowed, "the sender is not of this server");
    if (stanza.kind() == Stanza::Kind::other || stanza.to().empty())
        return fail(Condition::bad_request, "expected a stanza with an addressee");
    const auto from = stanza.from();
    return at_home(kernel, from, [stanza = std::move(stanza)](Shard& shard, const Done& done) {
        shard.route_later(stanza);
        done(Nothing{});
    });
}

std::size_t Server::broadcast(const Stanza& stanza) {
    std::atomic<std::size_t> count{0};
    impl_->kernel().on_each_shard([&](Shard& shard) {
        std::vector<Jid> here;
        shard.each_session([&](LocalSession& session) {
            if (session.is_available()) here.push_back(session.jid());
        });
        for (const auto& jid : here) {
            auto* session = shard.find_session(jid);
            if (session == nullptr) continue;   // a handler ended it
            auto copy = stanza;
            copy.set_to(jid);
            session->send(copy);
            ++count;
        }
    });
    return count;
}

std::vector<Command> Server::commands() {
    std::vector<Command> all;
    auto& kernel = impl_->kernel();
    [[maybe_unused]] const auto asked =
        at<Nothing>(kernel, *kernel.shards.front(), patience, [&all](Shard& shard, const Done& done) {
            for (const auto& c : shard.hooks.commands) all.push_back(c.declared);
            done(Nothing{});
        });
    return all;
}

Result<CommandResult> Server::give(std::string_view node, CommandCall call) {
    auto& kernel = impl_->kernel();
    return at<CommandResult>(kernel, *kernel.shards.front(), patience_with_commands,
                             [node = std::string{node}, call = std::move(call)](Shard& shard, const auto& done) {
                                 give_command(shard, node, call, done);
                             });
}

void Server::set_log_level(Level level) { impl_->kernel().logger.set_level(level); }

Server::Count Server::count() const {
    Count sum;
    const auto& kernel = impl_->kernel();
    sum.connections = kernel.gate.connections();
    for (const auto& shard : kernel.shards) {
        const auto& f = shard->figures;
        sum.sessions += f.sessions;
        sum.accounts += f.accounts;
        sum.stanzas_in += f.in.sum();
        sum.stanzas_out += f.out.sum();
        sum.bytes_in += f.bytes_in;
        sum.bytes_out += f.bytes_out;
    }
    return sum;
}

}   // namespace tambo
