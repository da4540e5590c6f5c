// What happens to entries, on their owner's shard: reported to senders who asked, remembered for the operator.
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <tambo/server.hpp>

#include "../shared/message.hpp"
#include "ticks.hpp"

namespace tambo::ticks {

namespace {

using namespace tambo::shared;
using What = JournalNotice::What;

constexpr std::size_t entries_at_once = 100;
constexpr std::size_t users_at_once = 200;
constexpr std::size_t ticks_at_once = 50;

std::optional<Report::What> reported(What what) {
    switch (what) {
        case What::accepted:
            return Report::What::accepted;
        case What::delivered:
            return Report::What::delivered;
        case What::dropped:
            return Report::What::dropped;
        case What::refused:
            return Report::What::refused;
        case What::returned:
            return std::nullopt;
    }
    return std::nullopt;
}

Step::What step_of(What what) {
    switch (what) {
        case What::accepted:
            return Step::What::accepted;
        case What::delivered:
            return Step::What::delivered;
        case What::returned:
            return Step::What::returned;
        case What::dropped:
            return Step::What::dropped;
        case What::refused:
            return Step::What::refused;
    }
    return Step::What::accepted;
}

/// What one stanza says: of any messages of one sender, but of one device.
struct Letter {
    Jid owner, sender, about;
    std::vector<std::string> ticks;
};

Letter& letter_for(std::vector<Letter>& letters, const Ticks::News& news) {
    const auto fits = [&](const Letter& letter) {
        return letter.owner == news.owner && letter.sender == news.sender && letter.ticks.size() < ticks_at_once &&
               (letter.about == news.about || letter.about.is_bare() || news.about.is_bare());
    };
    auto at = std::ranges::find_if(letters, fits);
    if (at == letters.end()) at = letters.insert(at, {news.owner, news.sender, news.about, {}});
    if (at->about.is_bare()) at->about = news.about;
    return *at;
}

}   // namespace

void Ticks::notice(Account& account, const JournalNotice& notice) {
    if (lives_.is_on()) note(account, notice);
    if (watched_.has_any(account)) take_note(account, notice);
}

/// At the end of the turn all that happened to a message goes in one stanza; mostly, it is accepted by being
/// acknowledged.
void Ticks::take_note(Account& account, const JournalNotice& notice) {
    const auto what = reported(notice.what);
    const auto message = what ? Stanza::parse(notice.stanza) : fail(Condition::bad_request);
    if (!message || !watched_.has(account, message->from(), message->id())) return;
    const auto add_one = [&](Report::What one, const Jid& about, Time at) {
        add({account.jid(),
             message->from().bare(),
             about,
             {.what = one, .id = std::string{message->id()}, .stable_id = std::string{notice.id}, .at = at}});
    };
    if (*what == Report::What::accepted || notice.accepts)
        add_one(Report::What::accepted, account.jid(), notice.accepted);
    if (*what == Report::What::accepted) return;
    const bool is_delivered = *what == Report::What::delivered && notice.session != nullptr;
    add_one(*what, is_delivered ? *notice.session : account.jid(), now());
}

/// Where no device could say that it has a message, there is no entry: what the journal does not know has been handed
/// to TCP, and that has to do.
void Ticks::handed(Session& session, Stanza& message) {
    if (!message.is_message()) return;
    if (message.sequence() != 0) return note_tried(session, message);
    if (session.holds()) return;
    auto& account = session.account();
    if (auto* life = has_just_come(account, message)) life->add({Step::What::handed, now(), session.jid()});
    if (!watched_.has_any(account) || !watched_.has(account, message.from(), message.id())) return;
    for (const auto what : {Report::What::accepted, Report::What::delivered})
        add({account.jid(),
             message.from().bare(),
             what == Report::What::delivered ? session.jid() : account.jid(),
             {.what = what, .id = std::string{message.id()}, .stable_id = {}, .at = now()}});
}

void Ticks::add(News news) {
    if (news_.empty()) host().defer([this] { report_news(); });
    news_.push_back(std::move(news));
}

void Ticks::report_news() {
    auto news = std::exchange(news_, {});
    // First who has it: what was acknowledged in the turn in which it was accepted needs no row.
    std::ranges::stable_sort(news, {}, [](const News& n) { return n.report.what == Report::What::accepted; });
    std::vector<Letter> letters;
    for (const auto& one : news) {
        auto* account = host().find_account(one.owner);
        if (account == nullptr) continue;
        remember(*account, one);
        if (may_tell(*account, one)) letter_for(letters, one).ticks.push_back(write(one.report));
    }
    for (const auto& letter : letters) {
        auto message = Stanza::message(letter.about, letter.sender, "headline");
        message.set_id(report_id);
        message.set_inner(fmt::format("{}", fmt::join(letter.ticks, "")));
        host().route(std::move(message));
    }
}

void Ticks::remember(Account& account, const News& news) const {
    const auto& [what, id, stable_id, at] = news.report;
    if (what == Report::What::accepted)
        watched_.accepted(account, news.sender, id, at);
    else if (what == Report::What::delivered)
        watched_.delivered(account, news.sender, id, at);
    else
        watched_.ended(account, news.sender, id);
}

/// Who may not see the user's presence does not learn from an acknowledgement that a device is there (XEP-0184 §8).
bool Ticks::may_tell(const Account& account, const News& news) const {
    if (level_of(news.report.what) > show(account)) return false;
    return news.report.what != Report::What::delivered || account.may_see_presence(news.sender);
}

// --- lives

void Ticks::begin(Account& account, const Stanza& message) {
    if (message.is_error() || !has_content(message.xml())) return;
    lives_.begin(account.jid(), message.from(), message.id(), now()).is_hidden = wants_no_trace(message);
}

/// The life of a message that is arriving in this turn; null if it has none.
Life* Ticks::has_just_come(const Account& account, const Stanza& message) {
    auto* life = message.is_message() ? lives_.newest() : nullptr;
    if (life == nullptr || life->sequence != 0 || life->account != account.jid()) return nullptr;
    return life->from == message.from() && life->id == message.id() ? life : nullptr;
}

/// The message that has just arrived is in the journal now, or goes past it.
void Ticks::settled(Account& account, Stanza& message) {
    auto* life = has_just_come(account, message);
    if (life == nullptr) return;
    if (message.sequence() != 0) lives_.set_sequence(*life, message.sequence());
}

/// What is in the journal waits from now on: so the mark goes to the disk no later than the message.
void Ticks::undelivered(Account& account, Stanza& message) {
    const bool waits = message.sequence() != 0;
    if (waits && watched_.has_any(account) && watched_.has(account, message.from(), message.id()))
        watched_.accepted(account, message.from(), message.id(), now());
    auto* life = waits ? lives_.find(account.jid(), message.sequence()) : has_just_come(account, message);
    if (life != nullptr) life->add({Step::What::nobody, now(), {}});
}

void Ticks::note(Account& account, const JournalNotice& notice) {
    auto* life = remembered(account, notice);
    if (life == nullptr) return;
    if (life->stable_id.empty()) life->stable_id = notice.id;
    if (notice.accepts) life->add({Step::What::accepted, now(), {}});
    life->add({step_of(notice.what), now(), notice.session != nullptr ? *notice.session : Jid{}});
}

/// One that waited for so long that nobody remembers it begins its second life when it is acknowledged.
void Ticks::note_tried(Session& session, const Stanza& message) {
    if (!lives_.is_on()) return;
    auto* life = lives_.find(session.account().jid(), message.sequence());
    if (life != nullptr) life->add({Step::What::tried, now(), session.jid()});
}

/// What waited, or was handed over by somebody else, is recognised by what it says of itself.
Life* Ticks::remembered(Account& account, const JournalNotice& notice) {
    if (auto* life = lives_.find(account.jid(), notice.sequence)) return life;
    const auto message = Stanza::parse(notice.stanza);
    if (!message) return nullptr;
    auto* life = lives_.find_last([&](const Life& l) {
        return l.sequence == 0 && l.account == account.jid() && l.from == message->from() && l.id == message->id();
    });
    if (life == nullptr) {
        life = &lives_.begin(account.jid(), message->from(), message->id(), notice.accepted);
        life->is_hidden = wants_no_trace(*message);
    }
    lives_.set_sequence(*life, notice.sequence);
    return life;
}

/// Of a device that got it. The sender's ledger looks at the same marker where it arrives.
void Ticks::note_read(Session& session, const Stanza& marker) {
    if (!lives_.is_on()) return;
    const auto displayed = marker.child("displayed", "urn:xmpp:chat-markers:0");
    if (!displayed || displayed.attribute("id").empty()) return;
    auto* life = lives_.find_last([&](const Life& l) {
        return l.id == displayed.attribute("id") && l.account == session.bare_jid() &&
               l.from.bare_text() == marker.to().bare_text();
    });
    if (life != nullptr) life->add({Step::What::read, now(), session.jid()});
}

// --- tamboctl explain

Ticks::Answer Ticks::tell_lives(CommandCall call) {
    const auto id = call.get("message-id");
    CommandResult result;
    result.values.push_back({"shard", {}, {std::to_string(host().shard())}});
    lives_.each([&](const Life& life) {
        if (life.is_called(id)) result.values.push_back(pack(tell(life)));
    });
    co_return result;
}

namespace {

/// From a worker thread. Each shard is asked by way of an account that lives there; one without accounts knows nothing.
std::vector<Told> ask_all_shards(Server& server, const std::string& id) {
    std::vector<Told> lives;
    std::set<std::string> asked;
    const auto shards = server.stats().shards;
    for (std::string after; asked.size() < shards;) {
        const auto users = server.users(after, users_at_once);
        if (!users) return lives;
        for (const auto& user : *users) {
            if (asked.size() == shards) break;
            const auto answer =
                server.give("ticks#lives", {.who = {}, .given = {{"account", {user}}, {"message-id", {id}}}});
            if (!answer || !asked.insert(answer->values.front().values.front()).second) continue;
            for (const auto& value : answer->values)
                if (auto told = unpack(value)) lives.push_back(std::move(*told));
        }
        if (users->size() < users_at_once) break;
        after = users->back();
    }
    return lives;
}

}   // namespace

Ticks::Answer Ticks::explain(CommandCall call) {
    const auto id = call.get("message-id");
    std::vector<Told> lives;
    if (const auto owner = call.jid("account"); !owner.empty()) {
        lives_.each([&](const Life& life) {
            if (life.is_called(id) && life.account == owner) lives.push_back(tell(life));
        });
        if (lives.empty()) {
            auto looking = waiting(owner, id);
            auto found = co_await std::move(looking);
            if (!found) co_return std::unexpected{found.error()};
            lives = std::move(*found);
        }
    } else {
        auto asking = host().offload([&server = host().server(), id] { return ask_all_shards(server, id); });
        lives = co_await std::move(asking);
    }
    if (lives.empty())
        co_return fail(Condition::item_not_found,
                       "no such message is remembered: it never came to an account here, or too long ago; behind the "
                       "id, name the account that should have it, to look into what waits for it as well");
    co_return sum_up(std::move(lives));
}

Task<Result<std::vector<Told>>> Ticks::waiting(Jid owner, std::string id) {
    std::vector<Told> found;
    for (std::uint64_t after = 0;;) {
        auto* account = host().find_account(owner);
        if (account == nullptr) co_return fail(Condition::item_not_found, "the account is gone");
        auto reading = host().journal().read(*account, after, entries_at_once);
        const auto entries = co_await std::move(reading);
        if (!entries) co_return std::unexpected{entries.error()};
        if (entries->empty()) co_return found;
        for (const auto& entry : *entries) {
            after = entry.sequence;
            if (auto told = tell(entry, owner, id)) found.push_back(std::move(*told));
        }
    }
}

}   // namespace tambo::ticks
