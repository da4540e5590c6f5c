// Keeping things: what modules ask (KeyValue, Journal), and what a store plugin answers (StoreDriver).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
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

/// One message that waits for its owner.
struct JournalEntry {
    std::uint64_t sequence = 0;   ///< given by the store, rising per owner, never reused
    Time time{};                  ///< when the server took it
    std::string id;               ///< stable id (XEP-0359 form)
    std::string stanza;           ///< whole, as XML
};

struct JournalState {
    std::uint64_t count = 0, bytes = 0, last_sequence = 0;
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
    /// Owners that have a row in that table, in order, behind `after`.
    virtual std::vector<std::string> owners(Space, std::string_view table, std::string_view after,
                                            std::size_t limit) = 0;

    virtual std::uint64_t journal_append(std::string_view owner, Time, std::string_view id,
                                         std::string_view stanza) = 0;
    virtual std::vector<JournalEntry> journal_read(std::string_view owner, std::uint64_t after, std::size_t limit) = 0;
    virtual void journal_erase(std::string_view owner, std::uint64_t up_to) = 0;   ///< that one included
    virtual JournalState journal_state(std::string_view owner) = 0;

    virtual void erase_owner(std::string_view owner) = 0;   ///< everything, everywhere
    /// All that is there of this owner, table by table, in order; counted, not remembered: it proves what erase_owner
    /// did. What waits in the journal is "journal".
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

    virtual Later<Result<std::uint64_t>> journal_append(std::string owner, Time, std::string id,
                                                        std::string stanza) = 0;
    virtual Later<Result<std::vector<JournalEntry>>> journal_read(std::string owner, std::uint64_t after,
                                                                  std::size_t limit) = 0;
    virtual Later<Result<Nothing>> journal_erase(std::string owner, std::uint64_t up_to) = 0;
    virtual Later<Result<JournalState>> journal_state(std::string owner) = 0;

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
