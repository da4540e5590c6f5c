// The store thread: requests of all shards, worked off in order, many to a commit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tambo/log.hpp>
#include <tambo/server.hpp>
#include <tambo/store.hpp>

namespace tambo {

/// Owns the driver and its thread. A request is a job on the driver and an answer for the asking shard; jobs that wait
/// together run in one transaction, and no answer leaves before its commit.
///
/// When a job throws, the transaction is rolled back and its jobs are run again, so that only the one that fails is
/// refused (resource-constraint): a job must give the same when it is run twice. When commit fails, all of them are
/// refused. Any thread may call; order is kept per caller. What waits is bounded: beyond that, requests are refused at
/// once.
class StoreService {
public:
    struct Figures {
        std::uint64_t requests = 0, commits = 0, failures = 0, queued = 0;
        double last_commit_ms = 0;
        Histogram commit_times;
    };
    /// What may wait at a time, and how much goes into one transaction.
    struct Limits {
        std::size_t waiting_requests = 100'000;
        std::size_t waiting_bytes = std::size_t{256} << 20;
        std::size_t batch_requests = 4096;
        std::chrono::milliseconds batch_time{20};
        Durability durability = Durability::fast;   ///< what drivers have to promise
    };
    using Job = std::function<void(StoreDriver&)>;
    using Answer = std::function<void(const std::string& error)>;
    /// Brings a closure to a shard's thread.
    using Post = std::function<void(std::function<void()>)>;

    explicit StoreService(Log& log);
    StoreService(Log& log, Limits limits);
    ~StoreService();   ///< works off what is queued, then closes the driver

    /// Puts a driver in place (the first one, or the next version's): between two transactions; the old one is
    /// destroyed on the store thread before the call returns. An empty factory only takes the old one away. Throws
    /// std::runtime_error with the text of what the factory threw; the old driver then stays.
    /// `crumb` names the plugin for as long as it is there (ThreadCrumb).
    void use(const StoreFactory& factory, const char* crumb = nullptr);
    bool ready() const noexcept;

    /// Runs `job` in a transaction, then `post(answer(error))` with an empty error on success.
    void submit(Job job, Post post, Answer answer, bool writes);
    /// Same, blocking, for the supervisor and for start-up; never refused because too much waits. Returns the error,
    /// empty if none.
    std::string run(Job job);
    Figures figures() const;

    /// What a shard hands to its modules. `post` must bring closures to that shard in order. The service must outlive
    /// it.
    class Front;
    std::unique_ptr<Front> front(Post post);

private:
    struct Request;
    class Line;
    class Impl;
    bool offer(Request& request);   ///< false: too much waits, and the request is as it was
    void wake() noexcept;           ///< must follow, sooner or later
    std::unique_ptr<Impl> impl_;
};

/// The Store of one shard. Besides the module-facing interface it gives the kernel account loading and write tracking.
/// Lives on its shard's thread; when it is gone, answers that are still under way are dropped, and `post` is not called
/// any more.
class StoreService::Front final : public Store {
public:
    Front(StoreService& service, Post post);
    Front(const Front&) = delete;
    Front& operator=(const Front&) = delete;
    ~Front();

    Later<Result<std::optional<Bytes>>> get(std::string table, std::string owner, std::string key) override;
    Later<Result<Nothing>> put(std::string table, std::string owner, std::string key, Bytes value) override;
    Later<Result<Nothing>> insert(std::string table, std::string owner, std::string key, Bytes value) override;
    Later<Result<Nothing>> erase(std::string table, std::string owner, std::string key) override;
    Later<Result<Rows>> list(std::string table, std::string owner) override;
    Later<Result<std::vector<std::string>>> owners(std::string table, std::string after, std::size_t limit) override;
    Later<Result<Nothing>> erase_owner(std::string owner) override;

    /// An account's resident rows, and what its journal and its kept sessions are, in one request.
    struct Loaded {
        struct Kept {
            KeptSession session;
            std::vector<JournalEntry> sent;   ///< by it, behind what it knows to be accepted
        };
        std::vector<ResidentRow> rows;
        JournalState journal;
        std::vector<Kept> sessions;
        std::vector<JournalEntry> held;   ///< by any of them
    };
    void load(std::string owner, std::function<void(Result<Loaded>)> answer);
    void put_row(std::string table, std::string owner, std::string key, std::string value);
    void erase_row(std::string table, std::string owner, std::string key);
    void change(std::size_t bytes, Job job, Answer answer);   ///< any writing
    void journal_read(std::string owner, std::uint64_t after, std::size_t limit,
                      std::function<void(Result<std::vector<JournalEntry>>)> answer);
    void session_owners(std::string after, std::size_t limit,
                        std::function<void(Result<std::vector<std::string>>)> answer);

    /// What modules write (put, insert; not what belongs to the server) is shown to `check`, which may throw.
    void restrict_to(std::function<void(std::string_view table)> check) { check_ = std::move(check); }

    /// Number of write requests asked for so far by this shard.
    std::uint64_t asked() const noexcept { return asked_; }
    /// Calls `then` on this shard when every write asked for until now is committed (at once if that is so already), or
    /// with an error sentence as soon as one that was under way has failed.
    void when_kept(Answer then) { when_kept(settled_, std::move(then)); }
    /// Same, for the writes behind number `since` (what asked() said before them): failures before that don't count,
    /// those that were answered since then do.
    void when_kept(std::uint64_t since, Answer then);

private:
    struct Waiting {
        std::uint64_t since, until;
        Answer then;
    };
    struct Weight {
        bool writes;
        std::size_t bytes;
    };
    template <class T, class F>
    Later<Result<T>> ask(Weight weight, F job);
    void send(Weight weight, Job job, std::function<void(const std::string&)> answer);
    void wake_later();
    void answered(std::uint64_t number, bool accepted, const std::string& error);
    void tell_waiting(std::uint64_t failed, const std::string& error);

    void check(const std::string& table, const std::string& owner) const {
        if (check_ && !owner.empty()) check_(table);
    }

    StoreService& service_;
    std::function<void(std::string_view)> check_;
    std::shared_ptr<Line> line_;        // shared with the requests that are under way
    std::uint64_t asked_ = 0;           // writes are numbered 1, 2, …
    std::uint64_t settled_ = 0;         // all writes up to this number are answered
    std::uint64_t last_accepted_ = 0;   // number of the last write that the service took
    std::uint64_t last_refused_ = 0;    // … and of the last one whose refusal has come back
    std::uint64_t last_failed_ = 0;
    std::string last_error_;
    std::deque<Waiting> waiting_;   // `until` never falls
    bool is_wake_due_ = false;
    std::shared_ptr<bool> alive_;   // shared with the answers under way; touched on the shard's thread only
};

}   // namespace tambo
