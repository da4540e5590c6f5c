#include "route/journal.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "route/account.hpp"
#include "route/kill_point.hpp"
#include "route/text_hash.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

constexpr std::size_t most_spare = 2048, most_spare_bytes = 2048;   // entries; of one's stanza
constexpr std::size_t id_bytes = 16;

/// Where to count from: the servers of a process share the hash's key, and no two journals are to count the same.
std::uint64_t somewhere() {
    std::uint64_t start = 0;
    std::memcpy(&start, random_bytes(sizeof start).data(), sizeof start);
    return start;
}

/// Two digits of each byte.
constexpr auto digits_of = [] {
    constexpr std::string_view digits = "0123456789abcdef";
    std::array<std::array<char, 2>, 256> pairs{};
    for (std::size_t byte = 0; byte < pairs.size(); ++byte) pairs[byte] = {digits[byte >> 4], digits[byte & 0xf]};
    return pairs;
}();

const Error not_kept{Condition::resource_constraint, "the message could not be kept; try again later"};

/// Sessions have it, or are to get it, and none has said that it arrived: it may still be the next one's to read.
bool is_only_held(const Entry& entry) { return !entry.held.empty() && !entry.is_done && !entry.is_gone; }

/// Is it for those who read the journal? Says who has it, whatever the disk still says of that.
bool is_readable(JournalEntry& data, const Entry* entry) {
    data.holders.clear();
    if (entry == nullptr || entry->is_waiting) return true;
    for (const auto& held : entry->held) data.holders.push_back({held.session->device(), held.number});
    return is_only_held(*entry);
}

}   // namespace

ShardJournal::ShardJournal(Shard& shard)
    : shard_(shard),
      timer_(shard.io),
      next_id_(somewhere()),
      appended_(figure("appended_total", "messages that must not be lost")),
      cancelled_(figure("unwritten_total", "of those, acknowledged before they had to be written")),
      committed_(figure("committed_total", "of those, written")),
      commits_(figure("commits_total", "commits with messages, or with what is kept of sessions")),
      refused_(figure("refused_total", "messages that the store did not take; their senders were told")) {}

Counter& ShardJournal::figure(const char* name, const char* help) {
    return shard_.kernel.board.counter({"journal", name, help}, shard_.index);
}

ShardJournal::~ShardJournal() = default;

LocalAccount& ShardJournal::local(Account& account) noexcept { return static_cast<LocalAccount&>(account); }

// --- for modules

std::uint64_t ShardJournal::count(const Account& account) const noexcept {
    return static_cast<const LocalAccount&>(account).journal.count;
}

std::uint64_t ShardJournal::bytes(const Account& account) const noexcept {
    return static_cast<const LocalAccount&>(account).journal.bytes;
}

// A keyed hash; its key is this process's own.
std::string ShardJournal::next_id() {
    ++next_id_;
    std::array<char, sizeof next_id_ + 1> text{};
    std::memcpy(text.data(), &next_id_, sizeof next_id_);
    std::array<std::uint8_t, id_bytes> bytes{};
    for (const char half : {'\0', '\1'}) {
        text.back() = half;
        const auto mark = text_hash({text.data(), text.size()});
        std::memcpy(bytes.data() + (half != 0 ? sizeof mark : 0), &mark, sizeof mark);
    }
    std::array<char, 2 * id_bytes> id{};
    for (std::size_t i = 0; i < id_bytes; ++i) std::memcpy(id.data() + 2 * i, digits_of[bytes[i]].data(), 2);
    return {id.data(), id.size()};
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): it is the caller's last use of it
std::uint64_t ShardJournal::append(Account& account, Stanza& message, Time accepted, std::string id) {
    auto& home = local(account);
    const auto entry = blank();
    entry->data.sequence = ++home.journal.last_sequence;
    entry->data.time = accepted;
    entry->data.id = id;
    message.write(entry->data.stanza);
    add(home, entry);
    message.set_sequence(entry->data.sequence);
    message.set_as_kept();
    entry->trail = std::move(message.trail());
    if (const auto* origin = static_cast<SessionOrigin*>(entry->trail.origin().get()); origin && origin->is_durable) {
        entry->origin = std::static_pointer_cast<SessionOrigin>(entry->trail.origin());
        entry->data.origin = origin->device;
        entry->data.origin_number = entry->trail.number();
    }
    appended_.add();
    list(entry);
    kill_point("journal-append");
    return entry->data.sequence;
}

Later<Result<std::vector<JournalEntry>>> ShardJournal::read(Account& account, std::uint64_t after, std::size_t limit) {
    Later<Result<std::vector<JournalEntry>>> later;
    after_commit([this, state = later.state(), owner = account.jid(), after, limit](const std::string&) {
        read_on(state, owner, after, limit);
    });
    return later;
}

// Those that sessions hold lie between those that wait.
void ShardJournal::read_on(const std::shared_ptr<Later<Result<std::vector<JournalEntry>>>::State>& answer,
                           const Jid& owner, std::uint64_t after, std::size_t limit) {
    shard_.store->journal_read(std::string{owner.text()}, after, limit,
                               [this, answer, owner, limit](Result<std::vector<JournalEntry>> found) {
                                   if (!found) return answer->complete(std::move(found));
                                   auto* account = shard_.find_account(owner);
                                   if (account == nullptr) return answer->complete(std::vector<JournalEntry>{});
                                   const auto last = found->empty() ? 0 : found->back().sequence;
                                   const bool is_end = found->size() < limit;
                                   std::erase_if(*found, [&](JournalEntry& data) {
                                       const auto* at = account->pending.find(data.sequence);
                                       return !is_readable(data, at != nullptr ? at->get() : nullptr);
                                   });
                                   if (found->empty() && !is_end) return read_on(answer, owner, last, limit);
                                   answer->complete(std::move(found));
                               });
}

std::optional<Stanza> ShardJournal::take_up(Account& account, const JournalEntry& data) {
    auto& home = local(account);
    EntryPtr entry;
    if (const auto* at = home.pending.find(data.sequence)) {
        entry = *at;
        if (!entry->is_waiting && !is_only_held(*entry)) return std::nullopt;
    }
    auto stanza = Stanza::parse(data.stanza);
    if (!stanza) return std::nullopt;
    if (!entry) {
        entry = add(home, data);
        entry->stored = Entry::Stored::yes;
        entry->is_accepted = true;
        entry->is_waiting = true;
        entry->data.holders.clear();
    }
    stop_waiting(home, *entry);
    stanza->set_sequence(data.sequence);
    stanza->set_as_kept();
    return std::move(*stanza);
}

void ShardJournal::set_down(Account& account, std::uint64_t sequence) { settle(local(account), sequence); }

Later<Result<Nothing>> ShardJournal::drop(Account& account, const std::vector<JournalEntry>& entries) {
    auto& home = local(account);
    for (const auto& data : entries) {
        if (const auto held = find(home, data.sequence); held && !held->is_waiting) continue;
        if (!take_up(account, data)) continue;
        const auto entry = find(home, data.sequence);
        notice(home, JournalNotice::What::dropped, *entry);
        finish(home, entry);
    }
    Later<Result<Nothing>> later;
    after_commit([state = later.state()](const std::string& error) {
        if (error.empty())
            state->complete(Nothing{});
        else
            state->complete(fail(Condition::resource_constraint, error));
    });
    return later;
}

bool ShardJournal::confirm(Session& session, const Jid& from, std::string_view message_id) {
    auto& here = static_cast<LocalSession&>(session);
    for (const auto& entry : here.local().pending) {
        if (entry->find(here) == nullptr) continue;
        const auto stanza = Stanza::parse(entry->data.stanza);
        if (!stanza || stanza->id() != message_id || stanza->from().bare_text() != from.bare_text()) continue;
        return confirm(session, entry->data.sequence);
    }
    return false;
}

bool ShardJournal::confirm(Session& session, std::uint64_t sequence) {
    auto& here = static_cast<LocalSession&>(session);
    const auto entry = find(here.local(), sequence);
    if (!entry || here.keeps_sent() || entry->find(here) == nullptr) return false;
    acknowledged(entry, here);
    return true;
}

// --- entries

ShardJournal::EntryPtr ShardJournal::find(LocalAccount& account, std::uint64_t sequence) {
    const auto* at = account.pending.find(sequence);
    return at == nullptr || (*at)->is_gone ? nullptr : *at;
}

// What was never given to the store is nobody's but this shard's.
ShardJournal::EntryPtr ShardJournal::blank() {
    if (spare_.empty()) return std::make_shared<Entry>();
    auto entry = std::move(spare_.back());
    spare_.pop_back();
    if (entry.use_count() > 1) return std::make_shared<Entry>();
    auto data = std::move(entry->data);
    data.stanza.clear();
    data.holders.clear();
    *entry = {};
    entry->data = std::move(data);
    entry->data.origin = entry->data.origin_number = 0;
    return entry;
}

void ShardJournal::recycle(EntryPtr entry) {
    if (spare_.size() < most_spare && entry->data.stanza.capacity() <= most_spare_bytes)
        spare_.push_back(std::move(entry));
}

void ShardJournal::add(LocalAccount& account, const EntryPtr& entry) {
    entry->owner = account.jid();
    account.pending.add(entry);
}

ShardJournal::EntryPtr ShardJournal::add(LocalAccount& account, JournalEntry data) {
    auto entry = std::make_shared<Entry>();
    entry->data = std::move(data);
    add(account, entry);
    return entry;
}

std::shared_ptr<Entry> ShardJournal::give(LocalSession& session, const Stanza& stanza, bool& again) {
    if (stanza.sequence() == 0) return nullptr;
    auto entry = find(session.local(), stanza.sequence());
    if (!entry) return nullptr;
    if (const auto* held = entry->find(session)) {
        again = held->number != 0;
        return entry;
    }
    if (session.holds()) entry->held.push_back({&session, 0, false});
    if (entry->is_waiting) stop_waiting(session.local(), *entry);
    return entry;
}

void ShardJournal::numbered(const EntryPtr& entry, LocalSession& session, std::uint64_t number) {
    auto* held = entry->find(session);
    if (held == nullptr) return;
    held->number = number != 0 ? number : Outbox::unnumbered;
    held->is_kept = false;
    if (session.is_durable()) list(entry);
}

void ShardJournal::handed(const EntryPtr& entry, LocalSession& session) {
    entry->is_done = true;
    notice(session.local(), JournalNotice::What::delivered, *entry, &session);
}

void ShardJournal::acknowledged(const EntryPtr& entry, LocalSession& session) {
    if (entry->is_gone) return;
    entry->forget(session);
    const bool is_news = !std::exchange(entry->is_done, true);
    // Others are still to get it, also after a crash: then only the disk will do.
    auto& account = session.local();
    const bool is_safe = entry->held.empty() || entry->stored == Entry::Stored::yes;
    if (is_safe) entry->trail.end();
    const bool accepts = is_safe && !std::exchange(entry->is_accepted, true);
    notice(account, JournalNotice::What::delivered, *entry, &session, accepts);
    if (entry->held.empty()) return finish(account, entry);
    if (is_news) list(entry);   // that it was acknowledged at all
}

void ShardJournal::settle(LocalAccount& account, std::uint64_t sequence) {
    if (const auto entry = find(account, sequence)) settle(account, entry);
}

void ShardJournal::settle(LocalAccount& account, const EntryPtr& entry) {
    if (!entry->held.empty() || entry->is_waiting) return;
    if (entry->is_done)
        finish(account, entry);
    else
        wait(account, *entry);
}

void ShardJournal::wait(LocalAccount& account, Entry& entry) {
    entry.is_waiting = true;
    ++account.journal.count;
    account.journal.bytes += entry.data.stanza.size();
    let_rest(account, entry);
}

// The disk has it, and nobody is busy with it: read() finds it again.
void ShardJournal::let_rest(LocalAccount& account, const Entry& entry) {
    if (entry.is_waiting && entry.stored == Entry::Stored::yes && !entry.is_listed)
        account.pending.erase(entry.data.sequence);
}

void ShardJournal::stop_waiting(LocalAccount& account, Entry& entry) noexcept {
    if (!std::exchange(entry.is_waiting, false)) return;
    account.journal.count -= std::min<std::uint64_t>(account.journal.count, 1);
    account.journal.bytes -= std::min<std::uint64_t>(account.journal.bytes, entry.data.stanza.size());
}

void ShardJournal::accept(LocalAccount* account, Entry& entry) {
    entry.trail.end();
    if (!std::exchange(entry.is_accepted, true) && account != nullptr)
        notice(*account, JournalNotice::What::accepted, entry);
}

// The entry stays in `pending` until it is off the disk: who reads the journal meanwhile must not find it again.
void ShardJournal::finish(LocalAccount& account, const EntryPtr& entry) {
    stop_waiting(account, *entry);
    entry->is_gone = true;
    if (entry->is_done) accept(&account, *entry);
    entry->trail.end();
    if (entry->stored == Entry::Stored::no) {
        cancelled_.add();
        account.pending.erase(entry->data.sequence);
        if (!std::exchange(entry->is_fresh, false)) return;
        fresh_[entry->place] = nullptr;
        recycle(entry);
    } else if (entry->stored == Entry::Stored::yes) {
        erase(entry);
    }
}

void ShardJournal::erase(const EntryPtr& entry) {
    if (!std::exchange(entry->is_erasing, true)) erasures_.push_back(entry);
    schedule();
}

void ShardJournal::refuse(LocalAccount& account, const EntryPtr& entry, const std::string& why) {
    refused_.add();
    shard_.kernel.log->error("a message for {} was not kept, its sender is told: {}", account.jid().text(), why);
    notice(account, JournalNotice::What::refused, *entry);
    if (const auto message = Stanza::parse(entry->data.stanza)) shard_.bounce(*message, not_kept);
    finish(account, entry);
}

void ShardJournal::notice(LocalAccount& account, JournalNotice::What what, const Entry& entry,
                          const LocalSession* session, bool accepts) {
    if (shard_.hooks.on_journal.empty()) return;
    shard_.hooks.fire(account, JournalNotice{what, entry.data.sequence, entry.data.id, entry.data.stanza,
                                             entry.data.time, session != nullptr ? &session->jid() : nullptr, accepts});
}

void ShardJournal::list(const EntryPtr& entry) {
    if (!std::exchange(entry->is_listed, true)) {
        entry->is_fresh = entry->stored == Entry::Stored::no;
        entry->place = static_cast<std::uint32_t>(fresh_.size());
        (entry->is_fresh ? fresh_ : listed_).push_back(entry);
    }
    schedule();
}

// --- sessions

bool ShardJournal::waits_for_commit() const noexcept {
    return shard_.kernel.settings.journal.durability != Durability::fast && shard_.kernel.store.ready();
}

bool ShardJournal::may_leave(const Entry& entry, const LocalSession& session) const noexcept {
    if (!waits_for_commit()) return true;
    if (entry.stored != Entry::Stored::yes) return false;
    const auto held = std::ranges::find(entry.held, &session, &Entry::Held::session);
    return held == entry.held.end() || !session.is_durable() || held->is_kept;
}

void ShardJournal::give_back(LocalSession& session) {
    auto& account = session.local();
    std::vector<EntryPtr> given;
    for (const auto& entry : account.pending)
        if (!entry->is_gone && entry->find(session) != nullptr) given.push_back(entry);
    for (const auto& entry : given) {
        entry->forget(session);
        if (entry->held.empty()) settle(account, entry);
        if (!entry->is_done) notice(account, JournalNotice::What::returned, *entry, &session);
    }
}

void ShardJournal::forget(LocalAccount& account) {
    for (const auto& entry : account.pending) {
        entry->is_gone = true;
        entry->held.clear();
        entry->trail.end();
    }
    account.pending.clear();
    account.journal = {};
}

void ShardJournal::restore(LocalAccount& account, std::vector<JournalEntry> held) {
    const std::vector<Session*> sessions{account.sessions().begin(), account.sessions().end()};
    for (auto& data : held) {
        const auto holders = data.holders;
        const auto entry = add(account, std::move(data));
        entry->stored = Entry::Stored::yes;
        entry->is_accepted = true;
        entry->is_done = std::ranges::find(holders, Holder{}) != holders.end();
        account.journal.count -= std::min<std::uint64_t>(account.journal.count, 1);
        account.journal.bytes -= std::min<std::uint64_t>(account.journal.bytes, entry->data.stanza.size());
        for (auto* session : sessions) {
            auto& here = static_cast<LocalSession&>(*session);
            const auto holder = std::ranges::find(holders, here.device(), &Holder::device);
            if (holder != holders.end() && (holder->number == 0 || holder->number > here.acknowledged()))
                entry->held.push_back({&here, holder->number != 0 ? holder->number : Outbox::unnumbered, true});
            else if (holder != holders.end())
                entry->is_done = true;
        }
    }
    for (auto* session : sessions) static_cast<LocalSession*>(session)->take_over(account.pending);
    std::vector<EntryPtr> loose;
    for (const auto& entry : account.pending)
        if (entry->held.empty()) loose.push_back(entry);
    for (const auto& entry : loose) settle(account, entry);
}

void ShardJournal::touch(LocalSession& session) {
    if (!session.is_durable() || std::exchange(session.is_listed, true)) return;
    sessions_.push_back(&session);
    schedule();
}

void ShardJournal::ended(LocalSession& session) {
    if (std::exchange(session.is_listed, false)) std::erase(sessions_, &session);
    if (session.is_durable()) forget_device(session.device());
}

void ShardJournal::forget_device(std::uint64_t device) {
    ended_.push_back(device);
    schedule();
}

}   // namespace tambo
