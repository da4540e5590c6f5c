// The ShardJournal's way to the disk: what has changed is gathered, one commit is under way at a time.
#include <algorithm>
#include <utility>

#include <boost/asio/error.hpp>

#include "route/account.hpp"
#include "route/journal.hpp"
#include "route/kill_point.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t many = 64;   // entries: then it is worth waiting for their acknowledgements
constexpr int looks = 2;           // at a new entry, one at each end of a window, before it is written
constexpr Steady::duration least_window = std::chrono::milliseconds{1};
constexpr Duration pause_after_failure{1000};
constexpr Duration look_again{500};   // at what could not be erased yet

}   // namespace

bool ShardJournal::has_work() const noexcept {
    return !fresh_.empty() || !listed_.empty() || erasures_.size() > late_ || !sessions_.empty() || !ended_.empty();
}

// Where delivery does not wait, the acknowledgement of a client that is there comes soon, and what it acknowledges need
// not be written at all. So a new entry is written when it was there at the end of one window already: then the clients
// had a whole round of the loop, however long that took. Where delivery waits, what came during the last commit makes
// the next one.
Steady::duration ShardJournal::window() const {
    const auto& kernel = shard_.kernel;
    if (is_urgent_ || waits_for_commit() || kernel.manual_timers || kernel.stopping) return Steady::duration::zero();
    const auto most = Steady::duration{kernel.settings.journal.commit_window} / looks;
    if (last_size_ >= many) return most;
    return std::clamp<Steady::duration>(last_commit_, std::min(least_window, most), most);
}

void ShardJournal::schedule() {
    if (is_scheduled_ || underway_ || !has_work()) return;
    is_scheduled_ = true;
    Steady::duration wait = window();
    if (retry_at_ > shard_.steady()) wait = std::max<Steady::duration>(wait, retry_at_ - shard_.steady());
    if (wait == Steady::duration::zero()) return shard_.post([this] { flush(); });
    timer_.expires_after(wait);
    timer_.async_wait([this](boost::system::error_code) {
        if (is_scheduled_) shard_.turn([this] { flush(); });
    });
}

void ShardJournal::flush_now() {
    is_urgent_ = true;
    retry_at_ = {};
    if (underway_ || !has_work()) return;
    if (is_scheduled_) timer_.cancel();   // its handler finds nothing to do
    is_scheduled_ = true;
    shard_.post([this] { flush(); });
}

void ShardJournal::after_commit(WhenKept then) {
    if (has_work()) {
        for_next_.push_back(std::move(then));
        flush_now();
    } else if (underway_) {
        for_this_.push_back(std::move(then));
    } else {
        then({});
    }
}

void ShardJournal::flush() {
    is_scheduled_ = false;
    if (underway_) return;
    last_size_ = fresh_.size();
    if (window() == Steady::duration::zero()) grow_old();
    is_urgent_ = false;
    auto batch = gather();
    grow_old();
    std::ranges::move(std::exchange(for_next_, {}), std::back_inserter(for_this_));
    if (batch->empty()) {
        for (auto& then : std::exchange(for_this_, {})) then({});
        return schedule();
    }
    underway_ = true;
    asked_at_ = Steady::now();
    kill_point("journal-before-commit");
    shard_.store->change(
        batch->bytes(), [batch](StoreDriver& driver) { batch->write(driver); },
        [this, batch](const std::string& error) {
            underway_ = false;
            last_commit_ = Steady::now() - asked_at_;
            if (error.empty())
                committed(*batch);
            else
                failed(*batch, error);
            for (auto& then : std::exchange(for_this_, {})) then(error);
            schedule();
        });
}

void ShardJournal::grow_old() {
    for (auto& entry : fresh_) {
        if (!entry) continue;
        entry->is_fresh = false;
        listed_.push_back(std::move(entry));
    }
    fresh_.clear();
}

std::shared_ptr<JournalBatch> ShardJournal::gather() {
    auto batch = std::make_shared<JournalBatch>();
    gather_sessions(*batch);
    gather_entries(*batch);
    gather_erasures(*batch);
    batch->ended = std::exchange(ended_, {});
    return batch;
}

void ShardJournal::gather_sessions(JournalBatch& batch) {
    for (auto* session : std::exchange(sessions_, {})) {
        session->is_listed = false;
        session->keep(batch);
    }
}

void ShardJournal::gather_entries(JournalBatch& batch) {
    for (auto& entry : std::exchange(listed_, {})) {
        entry->is_listed = false;
        if (entry->is_gone) {
            if (entry->stored == Entry::Stored::no && entry.use_count() == 1) recycle(std::move(entry));
            continue;
        }
        std::vector<Holder> holders;
        for (const auto& held : entry->held)
            if (held.session->is_durable())
                holders.push_back({held.session->device(), held.number < Outbox::unnumbered ? held.number : 0});
        if (entry->is_done) holders.emplace_back();   // a device has acknowledged it: it is not to wait again
        const bool is_new = entry->stored == Entry::Stored::no;
        // Who waits for its commit is told by one, even if it changes nothing.
        const bool is_known = std::ranges::all_of(entry->held, &Entry::Held::is_kept);
        if (!is_new && is_known && entry->data.holders == holders) {
            if (auto* account = shard_.find_account(entry->owner)) let_rest(*account, *entry);
            continue;
        }
        entry->data.holders = std::move(holders);
        if (is_new) entry->stored = Entry::Stored::underway;
        (is_new ? batch.appends : batch.holds).push_back(std::move(entry));
    }
}

// What a client sent may come again until it is counted on disk, and is recognised by its entry until then.
bool ShardJournal::may_erase(Entry& entry) const {
    if (entry.data.origin == 0) return true;
    if (!entry.origin) {   // the disk had it
        if (shard_.kernel.unrestored > 0) return false;
        entry.origin = shard_.kernel.origins.find(entry.data.origin);
        if (!entry.origin) return true;
    }
    return entry.origin->is_gone || entry.origin->kept >= entry.data.origin_number;
}

void ShardJournal::gather_erasures(JournalBatch& batch) {
    const auto early = std::ranges::stable_partition(erasures_, [this](const auto& e) { return !may_erase(*e); });
    batch.erased.assign(std::make_move_iterator(early.begin()), std::make_move_iterator(early.end()));
    erasures_.erase(early.begin(), early.end());
    for (const auto& entry : batch.erased) {
        if (batch.erases.empty() || batch.erases.back().owner != entry->owner)
            batch.erases.push_back({entry->owner, {}});
        batch.erases.back().sequences.push_back(entry->data.sequence);
    }
    // What has to stay for its sender's sake is not to wait again if the process ends now.
    for (const auto& entry : erasures_) {
        if (entry->data.holders == std::vector{Holder{}}) continue;
        entry->data.holders = {Holder{}};
        batch.holds.push_back(entry);
    }
    late_ = erasures_.size();
    if (late_ == 0 || std::exchange(looks_again_, true)) return;
    shard_.after(look_again, [this] {
        looks_again_ = false;
        late_ = 0;
        schedule();
    });
}

void ShardJournal::committed(const JournalBatch& batch) {
    kill_point("journal-after-commit");
    commits_.add();
    retry_at_ = {};
    for (const auto& told : batch.told)
        if (told.origin->session != nullptr) told.origin->session->is_kept(told.accepted);
    for (const auto& entry : batch.appends) committed(entry);
    for (const auto& entry : batch.holds) committed(entry);
    for (const auto& entry : batch.erased)
        if (auto* account = shard_.find_account(entry->owner)) account->pending.erase(entry->data.sequence);
    if (!waits_for_commit()) return;
    for (const auto* list : {&batch.appends, &batch.holds}) {
        for (const auto& entry : *list) {
            const auto held = entry->held;   // writing may end a session
            for (const auto& one : held)
                if (entry->find(*one.session) != nullptr) one.session->release();
        }
    }
}

void ShardJournal::committed(const EntryPtr& entry) {
    if (std::exchange(entry->stored, Entry::Stored::yes) == Entry::Stored::underway) committed_.add();
    if (entry->is_gone) {
        if (shard_.find_account(entry->owner) != nullptr) erase(entry);
        return;
    }
    for (auto& held : entry->held)
        held.is_kept =
            held.number != 0 && std::ranges::find(entry->data.holders, Holder{held.session->device(), held.number}) !=
                                    entry->data.holders.end();
    auto* account = shard_.find_account(entry->owner);
    accept(account, *entry);
    if (account != nullptr) let_rest(*account, *entry);
}

// Nothing was promised yet: whose message waits for nobody in particular is told; the rest is tried again.
void ShardJournal::failed(const JournalBatch& batch, const std::string& error) {
    retry_at_ = shard_.steady() + pause_after_failure;
    for (const auto& told : batch.told) {
        if (told.origin->session == nullptr) continue;
        told.origin->session->was_not_kept();
        touch(*told.origin->session);
    }
    for (const auto& entry : batch.appends) {
        entry->stored = Entry::Stored::no;
        auto* account = shard_.find_account(entry->owner);
        if (account == nullptr) continue;
        if (entry->is_gone)
            account->pending.erase(entry->data.sequence);
        else if (entry->held.empty())
            refuse(*account, entry, error);
        else
            list(entry);
    }
    for (const auto& entry : batch.holds) {
        entry->data.holders.clear();
        if (!entry->is_gone) list(entry);
    }
    std::ranges::copy(batch.erased, std::back_inserter(erasures_));
    std::ranges::copy(batch.ended, std::back_inserter(ended_));
}

}   // namespace tambo
