// The Journal of one shard: what its accounts must not lose, and when it is on disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include <tambo/journal.hpp>
#include <tambo/metric.hpp>
#include <tambo/time.hpp>

#include "route/entry.hpp"
#include "route/journal_batch.hpp"

namespace tambo {

class LocalAccount;
class LocalSession;
class Shard;

/// An entry's life: append -> (committed) -> held by sessions, or waiting -> acknowledged -> gone. One that is
/// acknowledged before its commit never touches the disk. Everything that has to be written is gathered for a while
/// (a window that is shorter than anybody notices, and as long as the last commit took) and goes in one commit, new
/// entries in the one after that; one commit is under way at a time.
class ShardJournal final : public Journal {
public:
    explicit ShardJournal(Shard& shard);
    ~ShardJournal();

    // --- for modules
    std::uint64_t count(const Account& account) const noexcept override;
    std::uint64_t bytes(const Account& account) const noexcept override;
    std::string next_id() override;
    std::uint64_t append(Account& account, Stanza& message, Time accepted, std::string id) override;
    Later<Result<std::vector<JournalEntry>>> read(Account& account, std::uint64_t after, std::size_t limit) override;
    std::optional<Stanza> take_up(Account& account, const JournalEntry& entry) override;
    void set_down(Account& account, std::uint64_t sequence) override;
    Later<Result<Nothing>> drop(Account& account, const std::vector<JournalEntry>& entries) override;
    bool confirm(Session& session, const Jid& from, std::string_view message_id) override;
    bool confirm(Session& session, std::uint64_t sequence) override;

    // --- for sessions, accounts and the shard
    /// The entry of a stanza that is about to be sent to that session, which holds it from now on if it can hold
    /// anything; null if there is none, or the session has it already (`again`).
    std::shared_ptr<Entry> give(LocalSession& session, const Stanza& stanza, bool& again);
    void numbered(const std::shared_ptr<Entry>& entry, LocalSession& session, std::uint64_t number);
    void handed(const std::shared_ptr<Entry>& entry, LocalSession& session);   ///< to TCP: that has to do
    void acknowledged(const std::shared_ptr<Entry>& entry, LocalSession& session);
    /// Where delivery waits for the commit: is what would be told to that session on disk?
    bool may_leave(const Entry& entry, const LocalSession& session) const noexcept;
    void give_back(LocalSession& session);       ///< it ends: what it holds waits again, unless others have it
    static void forget(LocalAccount& account);   ///< it is removed, with all that it had
    /// Entries of an account that is being loaded: its sessions go on holding what they held.
    void restore(LocalAccount& account, std::vector<JournalEntry> held);
    void settle(LocalAccount& account, std::uint64_t sequence);   ///< the sessions that get it were chosen
    void touch(LocalSession& session);                            ///< what is kept of it has changed
    void ended(LocalSession& session);                            ///< nothing is to be kept of it any more
    void forget_device(std::uint64_t device);                     ///< the same, of one that did not come back
    void flush_now();                                             ///< with the end of this turn, whatever the window
    using WhenKept = std::function<void(const std::string& error)>;
    void after_commit(WhenKept then);   ///< of all until now, and soon; at once if it is on disk already
    bool is_idle() const noexcept { return !underway_ && !has_work(); }
    bool waits_for_commit() const noexcept;   ///< delivery does

private:
    using EntryPtr = std::shared_ptr<Entry>;
    Counter& figure(const char* name, const char* help);
    static LocalAccount& local(Account& account) noexcept;
    static EntryPtr find(LocalAccount& account, std::uint64_t sequence);
    EntryPtr blank();
    void recycle(EntryPtr entry);
    static void add(LocalAccount& account, const EntryPtr& entry);
    static EntryPtr add(LocalAccount& account, JournalEntry data);
    void settle(LocalAccount& account, const EntryPtr& entry);
    void wait(LocalAccount& account, Entry& entry);
    static void let_rest(LocalAccount& account, const Entry& entry);
    void stop_waiting(LocalAccount& account, Entry& entry) noexcept;
    void accept(LocalAccount* account, Entry& entry);   ///< null: it is not here any more
    void finish(LocalAccount& account, const EntryPtr& entry);
    void erase(const EntryPtr& entry);
    void refuse(LocalAccount& account, const EntryPtr& entry, const std::string& why);
    void notice(LocalAccount& account, JournalNotice::What what, const Entry& entry,
                const LocalSession* session = nullptr, bool accepts = false);
    void list(const EntryPtr& entry);
    bool may_erase(Entry& entry) const;
    bool has_work() const noexcept;
    void schedule();
    void flush();
    void grow_old();
    std::shared_ptr<JournalBatch> gather();
    void gather_entries(JournalBatch& batch);
    void gather_sessions(JournalBatch& batch);
    void gather_erasures(JournalBatch& batch);
    void committed(const JournalBatch& batch);
    void committed(const EntryPtr& entry);
    void failed(const JournalBatch& batch, const std::string& error);
    std::chrono::steady_clock::duration window() const;
    void read_on(const std::shared_ptr<Later<Result<std::vector<JournalEntry>>>::State>& answer, const Jid& owner,
                 std::uint64_t after, std::size_t limit);

    Shard& shard_;
    std::vector<EntryPtr> fresh_;           // new since the last window; null: not needed any more
    std::vector<EntryPtr> listed_;          // new before that, or held by others than the disk says
    std::vector<EntryPtr> erasures_;        // on disk, and nobody wants them
    std::vector<EntryPtr> spare_;           // their memory is for new ones
    std::vector<LocalSession*> sessions_;   // whose kept form has changed
    std::vector<std::uint64_t> ended_;      // devices
    std::vector<WhenKept> for_next_, for_this_;
    boost::asio::steady_timer timer_;
    std::size_t late_ = 0;   // so many of the erasures have to wait for somebody else's commit
    bool underway_ = false, is_scheduled_ = false, is_urgent_ = false, looks_again_ = false;
    std::chrono::milliseconds retry_at_{};   // steady
    std::chrono::steady_clock::time_point asked_at_;
    std::chrono::steady_clock::duration last_commit_{};
    std::size_t last_size_ = 0;
    std::uint64_t next_id_ = 0;
    Counter &appended_, &cancelled_, &committed_, &commits_, &refused_;
};

}   // namespace tambo
