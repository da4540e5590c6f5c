// The store thread: requests of all shards, worked off in order, many to a commit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tambo/log.hpp>
#include <tambo/store.hpp>

namespace tambo {

/// Owns the driver and its thread. A request is a job on the driver and an answer for the asking shard; jobs that wait
/// together run in one transaction, and no answer leaves before its commit.
///
/// When a job throws, the transaction is rolled back and its jobs are run again one by one, so that only the one that fails
/// is refused (resource-constraint). When commit fails, all of them are. Any thread may call; order is kept per caller.
class StoreService {
public:
    struct Figures {
        std::uint64_t requests = 0, commits = 0, failures = 0, queued = 0;
        double last_commit_ms = 0;
    };
    using Job = std::function<void(StoreDriver&)>;
    /// Brings a closure to a shard's thread.
    using Post = std::function<void(std::function<void()>)>;

    explicit StoreService(Log& log);
    ~StoreService();                                   ///< works off what is queued, then closes the driver

    /// Puts a driver in place (the first one, or the next version's): between two transactions; the old one is destroyed on
    /// the store thread before the call returns. Throws what the factory throws; the old driver then stays.
    void use(const StoreFactory& factory);
    bool ready() const noexcept;

    /// Runs `job` in a transaction, then `post(answer(error))` with an empty error on success.
    void submit(Job job, Post post, std::function<void(const std::string& error)> answer, bool writes);
    /// Same, blocking, for the supervisor and for start-up. Returns the error, empty if none.
    std::string run(Job job);
    Figures figures() const;

    /// What a shard hands to its modules. `post` must bring closures to that shard in order. `writes` counts write requests
    /// asked for so far, and `kept` those that are answered: the kernel compares them to hold back results.
    class Front;
    std::unique_ptr<Front> front(Post post);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// The Store of one shard. Besides the module-facing interface it gives the kernel account loading and write tracking.
class StoreService::Front final : public Store {
public:
    Front(StoreService& service, Post post);
    ~Front();

    Later<Result<std::optional<Bytes>>> get(std::string table, std::string owner, std::string key) override;
    Later<Result<Nothing>> put(std::string table, std::string owner, std::string key, Bytes value) override;
    Later<Result<Nothing>> erase(std::string table, std::string owner, std::string key) override;
    Later<Result<Rows>> list(std::string table, std::string owner) override;
    Later<Result<std::vector<std::string>>> owners(std::string table, std::string after, std::size_t limit) override;
    Later<Result<std::uint64_t>> journal_append(std::string owner, Time, std::string id, std::string stanza) override;
    Later<Result<std::vector<JournalEntry>>> journal_read(std::string owner, std::uint64_t after, std::size_t limit) override;
    Later<Result<Nothing>> journal_erase(std::string owner, std::uint64_t up_to) override;
    Later<Result<JournalState>> journal_state(std::string owner) override;
    Later<Result<Nothing>> erase_owner(std::string owner) override;

    /// An account's resident rows and journal state in one request.
    struct Loaded {
        std::vector<ResidentRow> rows;
        JournalState journal;
    };
    void load(std::string owner, std::function<void(Result<Loaded>)> answer);
    void put_row(std::string table, std::string owner, std::string key, std::string value);
    void erase_row(std::string table, std::string owner, std::string key);

    /// Number of write requests asked for so far by this shard.
    std::uint64_t asked() const noexcept { return asked_; }
    /// Calls `then` on this shard when every write asked for until now is committed (at once if that is so already);
    /// with an error sentence if one of them failed.
    void when_kept(std::function<void(const std::string& error)> then);

private:
    template <class T, class F>
    Later<Result<T>> ask(F job, bool writes);
    void answered(bool writes, const std::string& error);

    StoreService& service_;
    Post post_;
    std::uint64_t asked_ = 0, kept_ = 0;
    std::string last_error_;
    std::vector<std::pair<std::uint64_t, std::function<void(const std::string&)>>> waiting_;
    std::shared_ptr<bool> alive_;
};

} // namespace tambo
