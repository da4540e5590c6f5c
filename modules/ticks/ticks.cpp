#include "ticks.hpp"

#include <utility>

namespace tambo::ticks {

namespace {

constexpr std::size_t page_entries = 100;
constexpr std::size_t owners_at_once = 100;
constexpr std::string_view command_argument = "show";

}   // namespace

void Ticks::wire(Wiring& w) {
    if (*max_messages_ < 1) max_messages_.refuse("expected 1 or more");
    if (*explain_ < 0 || *explain_ > 10'000'000) explain_.refuse("expected a number from 0 to 10000000");
    if (*keep_ < std::chrono::minutes{1}) keep_.refuse("expected 1m or more");
    w.on<&Ticks::from_client>(Event::stanza_in, this, priority::first);
    w.on<&Ticks::sent>(Event::stanza_in, this, priority::last);   // after those who may refuse it or make copies
    w.on<&Ticks::arriving>(Event::deliver, this, priority::first);
    w.on<&Ticks::settling>(Event::deliver, this, priority::late + 25);
    w.on<&Ticks::settled>(Event::deliver, this, priority::last);
    w.on<&Ticks::undelivered>(Event::undelivered, this, priority::first);
    w.on<&Ticks::handed>(Event::sent, this);
    w.on<&Ticks::resumed>(Event::resumed, this, priority::late);
    w.on<&Ticks::restored>(Event::restored, this, priority::first);
    w.on<&Ticks::removed>(Event::removed, this);
    w.journal<&Ticks::notice>(this);
    w.every<&Ticks::look_after>(std::chrono::hours{1}, this);
    w.keeps("ticks", "what became of a user's latest messages, if that user asked");
    w.keeps("ticks-watched", "which messages that wait for a user have a sender who asked for ticks");
    w.keeps("ticks-wishes", "whether a user asked for ticks, and what others may learn of that user");
    w.command<&Ticks::explain>({.node = "explain",
                                .words = "explain",
                                .label = "tell the life of a message, by its id or stable id",
                                .audience = Audience::operator_,
                                .arguments = {{.name = "message-id", .label = "The message's id or stable id"},
                                              {.name = "account",
                                               .label = "Who gets it; looks into what waits, too",
                                               .kind = Argument::Kind::account,
                                               .is_required = false}}},
                               this);
    w.command<&Ticks::tell_lives>(
        {.node = "ticks#lives",
         .words = {},
         .label = "Lives on the shard of an account",
         .audience = Audience::operator_,
         .arguments = {{.name = "account", .label = "The account", .kind = Argument::Kind::account},
                       {.name = "message-id", .label = "The message's id or stable id"}}},
        this);
    if (most_ == Show::nothing) return;
    w.iq<&Ticks::enable>(ticks_space, "enable", this, Scope::account);
    w.iq<&Ticks::disable>(ticks_space, "disable", this, Scope::account);
    w.iq<&Ticks::forget>(ticks_space, "forget", this, Scope::account);
    w.iq<&Ticks::settings>(ticks_space, "settings", this, Scope::account);
    w.iq<&Ticks::answer>(ticks_space, "ticks", this, Scope::account);
    w.command<&Ticks::choose, &Ticks::show_choice>({.node = "ticks",
                                                    .words = {},
                                                    .label = "Choose what others learn of messages to you",
                                                    .audience = Audience::user,
                                                    .arguments = {{.name = std::string{command_argument},
                                                                   .label = "What they learn, and you of yours",
                                                                   .kind = Argument::Kind::choice,
                                                                   .choices = {"accepted", "delivered", "read"}}}},
                                                   this);
    w.feature(ticks_space, Scope::account);
}

// --- who asks, and what for

std::optional<Error> Ticks::refusal(const Iq& iq) const {
    if (!iq.is_own()) return Error{Condition::service_unavailable, "these ticks belong to somebody else"};
    const bool is_question = iq.payload().name() == "ticks";
    if (is_question ? !iq.is_get() : iq.is_get() && iq.payload().name() != "settings")
        return Error{Condition::bad_request, is_question ? "this takes an iq of type get" : "this takes type set"};
    return std::nullopt;
}

Reply Ticks::enable(Iq& iq) {
    if (auto error = refusal(iq)) return std::move(*error);
    auto& account = *iq.account();
    listeners_(*iq.session()) = {.missed_ms = 0, .is_on = true};
    ledger_.ask(account, now());
    ledger_.prune(account, now() - *keep_);
    (void)owners_.put(account.jid(), {}, {});
    const auto keep = std::chrono::duration_cast<std::chrono::seconds>(*keep_).count();
    return Reply{}
        .element("enabled", ticks_space)
        .attribute("show", name_of(show(account)))
        .attribute("keep", keep)
        .attribute("max", *max_messages_);
}

Reply Ticks::disable(Iq& iq) {
    if (auto error = refusal(iq)) return std::move(*error);
    listeners_(*iq.session()) = {};
    return {};
}

Reply Ticks::forget(Iq& iq) {
    if (auto error = refusal(iq)) return std::move(*error);
    auto& account = *iq.account();
    for (auto* session : account.sessions())
        if (listeners_.has(*session)) listeners_(*session) = {};
    ledger_.forget(account);
    (void)owners_.put(account.jid(), {}, {});   // swept when it is seen that nothing is left
    return {};
}

Reply Ticks::settings(Iq& iq) {
    if (auto error = refusal(iq)) return std::move(*error);
    auto& account = *iq.account();
    if (iq.is_set()) {
        const auto wish = show_of(iq.payload().attribute("show"));
        if (!wish || *wish == Show::nothing)
            return Error{Condition::bad_request, "\"show\" is accepted, delivered or read"};
        ledger_.set_show(account, *wish);
        return {};
    }
    return Reply{}
        .element("settings", ticks_space)
        .attribute("show", name_of(ledger_.show(account).value_or(most_)))
        .attribute("most", name_of(most_));
}

Reply Ticks::answer(Iq& iq) {
    if (auto error = refusal(iq)) return std::move(*error);
    const auto query = read_query(iq.payload(), page_entries);
    if (!query) return query.error();
    const auto front = query->with.empty() ? std::string{} : key_of(query->with, query->id);
    const auto oldest = now() - *keep_;
    auto found = ledger_.select(*iq.account(), [&](std::string_view key) { return key.starts_with(front); });
    std::erase_if(found, [&](const Record& record) { return record.sent < oldest; });
    return Reply{}.raw(write(select(std::move(found), *query), show(*iq.account())));
}

// --- what may be told

Show Ticks::show(const Account& account) const { return std::min(most_, ledger_.show(account).value_or(most_)); }

bool Ticks::is_listening(Session& session) const { return listeners_.has(session) && listeners_(session).is_on; }

bool Ticks::has_asked(Account& account) const {
    if (most_ == Show::nothing) return false;
    const auto asked = ledger_.asked(account);
    return asked && now() - *asked < *keep_;
}

Ticks::Answer Ticks::choose(CommandCall call) {
    auto* account = host().find_account(call.who.bare());
    if (account == nullptr) co_return fail(Condition::item_not_found, "you have no account here");
    const auto chosen = call.get(command_argument);
    ledger_.set_show(*account, show_of(chosen).value_or(most_));
    auto keeping = host().kept();
    const auto kept = co_await std::move(keeping);
    if (!kept) co_return std::unexpected{kept.error()};
    co_return CommandResult{.text = "Others learn that messages to you are " + chosen + ", and no more; nor do you."};
}

void Ticks::show_choice(CommandCall& call) {
    const auto* account = host().find_account(call.who.bare());
    if (account != nullptr) call.given[std::string{command_argument}] = {std::string{name_of(show(*account))}};
}

// --- connections come back

void Ticks::resumed(Session& session) {
    if (!is_listening(session)) return;
    const auto missed = std::exchange(listeners_(session).missed_ms, 0);
    if (missed == 0) return;
    const auto since = moment(missed);
    push(session, Writer{}.element("missed", ticks_space).attribute("since", format_time(since)).take(), since);
}

/// What was on its way when the server died is not known any more.
void Ticks::restored(Session& session) {
    if (!is_listening(session)) return;
    const auto asked = ledger_.asked(session.account());
    listeners_(session).missed_ms = std::max<std::int64_t>(1, count(asked.value_or(now())));
}

void Ticks::removed(Account& account) { lives_.forget(account.jid()); }

// --- retention

/// Whoever listens goes on asking.
void Ticks::look_after() {
    host().each_session([this](Session& session) {
        if (!is_listening(session)) return;
        const auto asked = ledger_.asked(session.account());
        if (!asked || now() - *asked > *keep_ / 4) ledger_.ask(session.account(), now());
    });
    host().spawn(sweep());
}

/// What is too old goes, also of those who have not been here for long.
Task<void> Ticks::sweep() {
    std::string after;
    for (bool is_end = false; !is_end;) {
        auto asking = owners_.owners(after, owners_at_once);
        const auto owners = co_await std::move(asking);
        if (!owners) co_return;   // the store has said why
        is_end = owners->size() < owners_at_once;
        for (const auto& owner : *owners) {
            after = owner;
            const auto jid = Jid::parse(owner);
            if (!jid) continue;
            auto loading = host().load_account(*jid);
            auto* account = co_await std::move(loading);
            if (account == nullptr) continue;   // another shard's
            ledger_.prune(*account, now() - *keep_);
            if (has_asked(*account) || ledger_.has_any(*account)) continue;
            ledger_.forget(*account);
            (void)owners_.erase(*jid, {});
        }
    }
}

}   // namespace tambo::ticks

TAMBO_MODULE(tambo::ticks::Ticks, "ticks", "0.1.0", 1)
