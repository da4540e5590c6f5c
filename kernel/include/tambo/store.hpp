// Keeping things: what modules ask (KeyValue; of messages: journal.hpp), and what a store plugin answers (StoreDriver).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <tambo/bytes.hpp>
#include <tambo/jid.hpp>
#include <tambo/result.hpp>
#include <tambo/task.hpp>
#include <tambo/time.hpp>

namespace tambo {

using Rows = std::vector<std::pair<std::string, std::string>>;   ///< key, value; in key order

/// Where rows live. Resident rows are loaded with their account and kept in memory (Table); the others wait to be asked
/// for.
enum class Space : std::uint8_t { resident, items };

/// A row of any table, as loading an account gives it.
struct ResidentRow {
    std::string table, key, value;
};

/// A device that was given an entry and has not acknowledged it yet.
struct Holder {
    std::uint64_t device = 0;   ///< Session::device()
    std::uint64_t number = 0;   ///< as which of its stanzas; 0: it has no number yet, so it was not written
    bool operator==(const Holder&) const = default;
};

/// One message that must not be lost, in its owner's journal.
struct JournalEntry {
    std::uint64_t sequence = 0;   ///< rising per owner
    Time time{};                  ///< when the server took it
    std::string id;               ///< stable id (XEP-0359 form)
    std::string stanza;           ///< whole, as XML
    /// Who sent it, if that is a session that can be resumed here, and as which of its stanzas: what such a client
    /// sends again after a crash is recognised by it.
    std::uint64_t origin = 0, origin_number = 0;
    /// A last one that is Holder{} stands for no device: one has acknowledged the entry, so it does not wait again. It
    /// stays for the others that hold it, or for its sender, who may send it again (origin).
    std::vector<Holder> holders;
};

/// Of an account: what there is in its journal.
struct JournalState {
    std::uint64_t count = 0, bytes = 0, last_sequence = 0;
};

/// What is kept of a session that can be resumed, beside what its journal entries say.
struct KeptSession {
    std::uint64_t device = 0;   ///< random, never 0
    std::string resource;
    std::uint64_t accepted = 0;       ///< so many stanzas of its client are taken care of
    std::uint64_t acknowledged = 0;   ///< so many stanzas its client has acknowledged
    std::string state;                ///< the kernel's own form
};

/// What survives what, and what it costs ([journal] durability).
enum class Durability : std::uint8_t {
    fast,     ///< delivered at once, counted (h) when committed; commits survive the process, not a loss of power
    commit,   ///< delivered and counted when committed; the same
    fsync,    ///< delivered and counted when committed; commits survive a loss of power
};

/// How many rows of an owner a table has.
struct TableCount {
    std::string table;
    std::uint64_t rows = 0;
};

/// What a store plugin provides. All calls come from the kernel's store thread, one after the other, inside a
/// transaction that begin() opened and commit() makes durable for many requests at once (group commit).
///
/// Errors are exceptions with a sentence for the operator; the kernel rolls back and answers resource-constraint.
/// `owner` is a bare JID, or empty for what belongs to the server.
class TAMBO_API StoreDriver {
public:
    virtual ~StoreDriver();

    virtual void begin() = 0;
    virtual void commit() = 0;
    virtual void rollback() noexcept = 0;

    virtual std::optional<Bytes> get(Space, std::string_view table, std::string_view owner, std::string_view key) = 0;
    virtual void put(Space, std::string_view table, std::string_view owner, std::string_view key,
                     std::string_view value) = 0;
    virtual void erase(Space, std::string_view table, std::string_view owner, std::string_view key) = 0;
    virtual Rows list(Space, std::string_view table, std::string_view owner) = 0;
    virtual std::vector<ResidentRow> load(std::string_view owner) = 0;   ///< all resident rows
    /// Owners that have a row in that table, in order, behind `after`. Space::items, "journal": those that have entries
    /// in their journal, in an order of the driver's own.
    virtual std::vector<std::string> owners(Space, std::string_view table, std::string_view after,
                                            std::size_t limit) = 0;

    /// The entry's sequence is above all that the owner's journal ever had. An owner that has no journal yet gets one.
    virtual void journal_append(std::string_view owner, const JournalEntry& entry) = 0;
    /// Whole entries behind `after`, in order.
    virtual std::vector<JournalEntry> journal_read(std::string_view owner, std::uint64_t after, std::size_t limit) = 0;
    /// Who has it now, in the place of what was said before. No such entry: nothing happens.
    virtual void journal_hold(std::string_view owner, std::uint64_t sequence, std::span<const Holder> holders) = 0;
    virtual void journal_erase(std::string_view owner, std::span<const std::uint64_t> sequences) = 0;
    virtual JournalState journal_state(std::string_view owner) = 0;
    /// Whole entries that somebody holds, in order.
    virtual std::vector<JournalEntry> journal_held(std::string_view owner) = 0;
    /// Entries in anybody's journal that this device sent behind its stanza number `after`, in the order of numbers.
    virtual std::vector<JournalEntry> journal_sent(std::uint64_t device, std::uint64_t after) = 0;

    /// In the place of what was kept of that device.
    virtual void session_put(std::string_view owner, const KeptSession& session) = 0;
    /// Only the two counters of a device that is kept already; if it is not, nothing happens.
    virtual void session_count(std::uint64_t device, std::uint64_t accepted, std::uint64_t acknowledged) = 0;
    virtual void session_erase(std::uint64_t device) = 0;
    virtual std::vector<KeptSession> sessions(std::string_view owner) = 0;
    /// Who has kept sessions, in order, behind `after`.
    virtual std::vector<std::string> session_owners(std::string_view after, std::size_t limit) = 0;

    /// What a commit has to survive from now on. Between two transactions. A driver that can't says so by throwing.
    virtual void promise(Durability durability) = 0;

    virtual void erase_owner(std::string_view owner) = 0;   ///< everything, everywhere
    /// All that is there of this owner, table by table, in order; counted, not remembered: it proves what erase_owner
    /// did. What is in the journal is "journal", sessions are "session".
    virtual std::vector<TableCount> count(std::string_view owner) = 0;

    /// A driver that keeps something only in memory gives it to the next one when its plugin is swapped; between two
    /// transactions, on the store thread. `take_over` returning false (or throwing) means that the old one stays.
    virtual Bytes hand_over() { return {}; }
    virtual bool take_over(std::string_view kept) { return kept.empty(); }
};

/// What a store plugin provides: how its driver is made, and what can be done with all that it keeps. Each function
/// owns what it needs: it may be called when the instance that provided it is gone. Errors are exceptions with a
/// sentence for the operator.
struct StoreFactory {
    /// Called on the store thread, once per server.
    std::function<std::unique_ptr<StoreDriver>()> open;
    /// Writes all that is kept at one moment into a new file, while a driver is at work; from any thread, for as long
    /// as it takes. Gives up soon after `stop` became true, and leaves nothing behind when it fails. Empty: cannot.
    std::function<void(const std::filesystem::path& file, const std::atomic<bool>& stop)> backup;
    /// Puts such a file in the place of what is kept, while no driver is open; what it was made from is read to its end
    /// first. Gives the name under which the old one still lies, empty if there was none. Empty: cannot.
    std::function<std::filesystem::path(const std::filesystem::path& file)> restore;

    StoreFactory() = default;
    template <class F>
        requires std::is_invocable_r_v<std::unique_ptr<StoreDriver>, F&>
    StoreFactory(F make) : open(std::move(make)) {}   // NOLINT: a plugin that only makes drivers says just that
    explicit operator bool() const noexcept { return static_cast<bool>(open); }
};

/// The store as a shard sees it: asynchronous, answers come back to the asking shard, in the order of the requests.
class TAMBO_API Store {
public:
    virtual Later<Result<std::optional<Bytes>>> get(std::string table, std::string owner, std::string key) = 0;
    /// Done when it is committed.
    virtual Later<Result<Nothing>> put(std::string table, std::string owner, std::string key, Bytes value) = 0;
    /// The same, unless there is a row already: conflict. Decided on the store thread, so no two can win.
    virtual Later<Result<Nothing>> insert(std::string table, std::string owner, std::string key, Bytes value) = 0;
    virtual Later<Result<Nothing>> erase(std::string table, std::string owner, std::string key) = 0;
    virtual Later<Result<Rows>> list(std::string table, std::string owner) = 0;
    virtual Later<Result<std::vector<std::string>>> owners(std::string table, std::string after, std::size_t limit) = 0;

    virtual Later<Result<Nothing>> erase_owner(std::string owner) = 0;

protected:
    ~Store() = default;
};

/// A module's table in Space::items: `KeyValue seen_{store("last-seen")}`.
class KeyValue {
public:
    KeyValue(Store& store, std::string table) : store_(&store), table_(std::move(table)) {}
    auto get(const Jid& owner, std::string key = {}) {
        return store_->get(table_, std::string{owner.bare_text()}, std::move(key));
    }
    auto put(const Jid& owner, std::string key, Bytes value) {
        return store_->put(table_, std::string{owner.bare_text()}, std::move(key), std::move(value));
    }
    auto insert(const Jid& owner, std::string key, Bytes value) {
        return store_->insert(table_, std::string{owner.bare_text()}, std::move(key), std::move(value));
    }
    auto erase(const Jid& owner, std::string key = {}) {
        return store_->erase(table_, std::string{owner.bare_text()}, std::move(key));
    }
    auto list(const Jid& owner) { return store_->list(table_, std::string{owner.bare_text()}); }
    auto owners(std::string after, std::size_t limit) { return store_->owners(table_, std::move(after), limit); }

private:
    Store* store_;
    std::string table_;
};

}   // namespace tambo
