// The store thread: many requests to a commit, answers only behind it, the failing one alone pays.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "plugins/store_memory/driver.hpp"
#include "store/store_service.hpp"
#include "store_files.hpp"

namespace {

using namespace tambo;
using store_files::entry;

class Lines final : public Log {
public:
    bool enabled(Level) const noexcept override { return true; }
    void write(Level, std::string_view line) noexcept override {
        const std::lock_guard lock{mutex_};
        lines_.emplace_back(line);
    }
    std::size_t count(std::string_view part) const {
        const std::lock_guard lock{mutex_};
        std::size_t found = 0;
        for (const auto& line : lines_) found += line.find(part) != std::string::npos;
        return found;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
};

/// What a shard is to the store: a thread (the test's) to which closures are brought.
class Turnstile {
public:
    StoreService::Post post() {
        return [this](std::function<void()> closure) {
            const std::lock_guard lock{mutex_};
            closures_.push_back(std::move(closure));
            ++posts_;
            arrived_.notify_all();
        };
    }
    template <class P>
    void run_until(P done) {
        while (!done()) run_one();
    }
    void run_one() {
        std::unique_lock lock{mutex_};
        arrived_.wait(lock, [&] { return !closures_.empty(); });
        auto closure = std::move(closures_.front());
        closures_.pop_front();
        lock.unlock();
        closure();
    }
    template <class T>
    T wait(Later<T> later) {
        run_until([&] { return later.await_ready(); });
        return later.await_resume();
    }
    std::size_t posts() const {
        const std::lock_guard lock{mutex_};
        return posts_;
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::function<void()>> closures_;
    std::size_t posts_ = 0;
};

/// What happened to a driver, in order; outlives it.
struct Story {
    void tell(std::string what) {
        const std::lock_guard lock{mutex};
        events.push_back(std::move(what));
    }
    std::vector<std::string> all() const {
        const std::lock_guard lock{mutex};
        return events;
    }
    mutable std::mutex mutex;
    std::vector<std::string> events;
    std::atomic<bool> fail_begin = false, fail_commit = false;
};

/// The memory driver, telling what it is asked. Puts into the table "bad" throw.
class Telling final : public StoreDriver {
public:
    Telling(Story& story, std::string name) : story_(story), name_(std::move(name)) {}
    ~Telling() override { story_.tell(name_ + "closed"); }

    void begin() override {
        if (story_.fail_begin) throw std::runtime_error{"no begin today"};
        story_.tell(name_ + "begin");
        real_->begin();
    }
    void commit() override {
        if (story_.fail_commit) throw std::runtime_error{"no commit today"};
        real_->commit();
        story_.tell(name_ + "commit");
    }
    void rollback() noexcept override {
        real_->rollback();
        story_.tell(name_ + "rollback");
    }
    std::optional<Bytes> get(Space s, std::string_view t, std::string_view o, std::string_view k) override {
        return real_->get(s, t, o, k);
    }
    void put(Space s, std::string_view t, std::string_view o, std::string_view k, std::string_view v) override {
        if (t == "bad") throw std::runtime_error{"/secret/path: bad table"};
        story_.tell(name_ + "put " + std::string{k});
        real_->put(s, t, o, k, v);
    }
    void erase(Space s, std::string_view t, std::string_view o, std::string_view k) override {
        real_->erase(s, t, o, k);
    }
    Rows list(Space s, std::string_view t, std::string_view o) override { return real_->list(s, t, o); }
    std::vector<ResidentRow> load(std::string_view o) override { return real_->load(o); }
    std::vector<std::string> owners(Space s, std::string_view t, std::string_view a, std::size_t l) override {
        return real_->owners(s, t, a, l);
    }
    void journal_append(std::string_view o, const JournalEntry& e) override { real_->journal_append(o, e); }
    std::vector<JournalEntry> journal_read(std::string_view o, std::uint64_t a, std::size_t l) override {
        return real_->journal_read(o, a, l);
    }
    void journal_hold(std::string_view o, std::uint64_t s, std::span<const Holder> h) override {
        real_->journal_hold(o, s, h);
    }
    void journal_erase(std::string_view o, std::span<const std::uint64_t> s) override { real_->journal_erase(o, s); }
    JournalState journal_state(std::string_view o) override { return real_->journal_state(o); }
    std::vector<JournalEntry> journal_held(std::string_view o) override { return real_->journal_held(o); }
    std::vector<JournalEntry> journal_sent(std::uint64_t d, std::uint64_t a) override {
        return real_->journal_sent(d, a);
    }
    void session_put(std::string_view o, const KeptSession& s) override { real_->session_put(o, s); }
    void session_count(std::uint64_t d, std::uint64_t a, std::uint64_t k) override { real_->session_count(d, a, k); }
    void session_erase(std::uint64_t d) override { real_->session_erase(d); }
    std::vector<KeptSession> sessions(std::string_view o) override { return real_->sessions(o); }
    std::vector<std::string> session_owners(std::string_view a, std::size_t l) override {
        return real_->session_owners(a, l);
    }
    void promise(Durability d) override { real_->promise(d); }
    void erase_owner(std::string_view o) override { real_->erase_owner(o); }
    std::vector<TableCount> count(std::string_view o) override { return real_->count(o); }

private:
    Story& story_;
    std::string name_;
    std::unique_ptr<StoreDriver> real_ = memory::open();
};

class TheStore : public testing::Test {
protected:
    void use(std::string name = "") {
        service.use([this, name] { return std::make_unique<Telling>(story, name); });
    }
    /// Keeps the store thread busy, so that what is asked until `open` waits together.
    std::promise<void> hold() {
        std::promise<void> open, held;
        auto reached = held.get_future();
        auto until = std::make_shared<std::future<void>>(open.get_future());
        service.submit(
            [until, held = std::make_shared<std::promise<void>>(std::move(held)),
             first = std::make_shared<bool>(true)](StoreDriver&) {
                if (!std::exchange(*first, false)) return;
                held->set_value();
                until->wait();
            },
            [](const std::function<void()>& f) { f(); }, [](const std::string&) {}, false);
        reached.wait();
        return open;
    }
    std::optional<Bytes> value(const std::string& key) {
        auto got = shard.wait(front->get("t", "juliet@capulet.lit", key));
        return got ? *got : std::nullopt;
    }
    Later<Result<Nothing>> put(const std::string& key, const std::string& table = "t") {
        return front->put(table, "juliet@capulet.lit", key, "v");
    }

    Lines log;
    Story story;
    Turnstile shard;
    StoreService service{log, {.batch_time = std::chrono::hours{1}}};
    std::unique_ptr<StoreService::Front> front = service.front(shard.post());
};

TEST_F(TheStore, answers_only_after_the_commit_and_commits_for_many_at_once) {
    use();
    auto gate = hold();
    for (int i = 0; i < 50; ++i) put("k" + std::to_string(i));
    auto last = put("last");
    gate.set_value();
    ASSERT_TRUE(shard.wait(std::move(last)).has_value());
    const auto events = story.all();
    EXPECT_EQ(std::ranges::count(events, "begin"), 2) << "one transaction for the gate, one for all that waited";
    EXPECT_EQ(events.back(), "commit");
    EXPECT_EQ(shard.posts(), 2U) << "the shard wakes the thread once, and its answers travel together";
}

TEST_F(TheStore, is_woken_by_a_shard_that_goes) {
    use();
    put("k");
    front.reset();   // whose own wake will not come any more
    const auto is_kept = [this] {
        const auto events = story.all();
        return std::ranges::count(events, "commit") > 0;
    };
    while (!is_kept()) std::this_thread::yield();
    EXPECT_EQ(shard.posts(), 1U);
}

TEST_F(TheStore, lets_no_answer_leave_before_its_commit) {
    use();
    std::promise<void> posted;
    const auto post = [&](const std::function<void()>&) {
        story.tell("answered");
        posted.set_value();
    };
    service.submit([](StoreDriver& d) { d.put(Space::items, "t", "o", "k", "v"); }, post, [](const std::string&) {},
                   true);
    posted.get_future().wait();
    EXPECT_EQ(story.all(), (std::vector<std::string>{"begin", "put k", "commit", "answered"}));
}

TEST_F(TheStore, keeps_the_order_of_each_caller) {
    use();
    std::vector<int> order;
    for (int i = 0; i < 1000; ++i)
        service.submit([](StoreDriver&) {}, shard.post(), [&order, i](const std::string&) { order.push_back(i); },
                       true);
    shard.run_until([&] { return order.size() == 1000; });
    EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_F(TheStore, refuses_only_the_request_that_fails) {
    use();
    auto gate = hold();
    auto before = put("before");
    auto bad = put("x", "bad");
    auto after = put("after");
    gate.set_value();
    EXPECT_TRUE(shard.wait(std::move(before)).has_value());
    const auto refused = shard.wait(std::move(bad));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().condition, Condition::resource_constraint);
    EXPECT_EQ(refused.error().text.find("/secret"), std::string::npos) << "a client must not learn the server's paths";
    EXPECT_TRUE(shard.wait(std::move(after)).has_value());
    EXPECT_TRUE(value("before"));
    EXPECT_TRUE(value("after"));
    EXPECT_FALSE(value("x"));
}

TEST_F(TheStore, keeps_what_surrounds_many_failing_requests_exactly_once) {
    use();
    auto gate = hold();
    std::vector<Later<Result<Nothing>>> bad;
    std::size_t answered = 0;
    for (std::uint64_t n = 1; n <= 40; ++n) {
        service.submit([n](StoreDriver& d) { d.journal_append("romeo@montague.lit", entry(n)); }, shard.post(),
                       [&](const std::string& error) { answered += error.empty(); }, true);
        if (n % 3 == 0) bad.push_back(put("x", "bad"));
    }
    gate.set_value();
    shard.run_until([&] { return answered == 40; });
    for (auto& later : bad) EXPECT_FALSE(shard.wait(std::move(later)).has_value());
    EXPECT_EQ(service.run([](StoreDriver& d) {
        if (d.journal_state("romeo@montague.lit").count != 40)
            throw std::runtime_error{"a job that was run twice counted twice"};
    }),
              "");
    EXPECT_EQ(log.count("bad table"), 1U) << "once per cause, not once per request";
}

TEST_F(TheStore, refuses_all_when_the_commit_fails_and_says_once_that_it_is_well_again) {
    use();
    story.fail_commit = true;
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(shard.wait(put("a")).has_value());
    story.fail_commit = false;
    EXPECT_FALSE(value("a")) << "what was refused must not have been kept";
    story.fail_commit = true;
    EXPECT_FALSE(shard.wait(put("a")).has_value());
    EXPECT_EQ(log.count("no commit today"), 1U) << "a read that works does not make it another cause";
    EXPECT_EQ(log.count("store works again"), 0U);
    story.fail_commit = false;
    EXPECT_TRUE(shard.wait(put("b")).has_value());
    EXPECT_EQ(log.count("store works again"), 1U);
}

TEST_F(TheStore, refuses_all_when_no_transaction_can_begin) {
    use();
    story.fail_begin = true;
    EXPECT_FALSE(shard.wait(put("a")).has_value());
    story.fail_begin = false;
    EXPECT_TRUE(shard.wait(put("a")).has_value());
}

TEST_F(TheStore, refuses_everything_while_there_is_no_driver) {
    EXPECT_FALSE(service.ready());
    const auto refused = shard.wait(put("a"));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().condition, Condition::resource_constraint);
    EXPECT_EQ(service.run([](StoreDriver&) {}), "no store is loaded");
    use();
    EXPECT_TRUE(service.ready());
    service.use({});
    EXPECT_FALSE(service.ready());
    EXPECT_EQ(story.all().back(), "closed");
}

TEST_F(TheStore, refuses_at_once_when_too_much_waits_and_recovers) {
    StoreService small{log, {.waiting_requests = 4, .batch_time = std::chrono::hours{1}}};
    small.use([] { return memory::open(); });
    auto mine = small.front(shard.post());
    std::promise<void> open;
    auto until = open.get_future();
    small.submit([&](StoreDriver&) { until.wait(); }, shard.post(), [](const std::string&) {}, false);
    std::vector<Later<Result<Nothing>>> asked;
    for (int i = 0; i < 6; ++i) asked.push_back(mine->put("t", "o", std::to_string(i), "v"));
    std::string kept = "not yet";
    mine->when_kept(0, [&](const std::string& error) { kept = error; });
    const auto refused = shard.wait(std::move(asked.back()));
    EXPECT_FALSE(refused.has_value()) << "refused while the store still hangs";
    EXPECT_NE(kept, "not yet") << "one of its writes is lost for certain: no need to wait for the others";
    EXPECT_NE(kept, "");
    open.set_value();
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(shard.wait(std::move(asked[i])).has_value()) << i;
    EXPECT_EQ(log.count("can't keep up"), 1U);
    bool is_kept = false;
    mine->when_kept([&](const std::string& error) { is_kept = error.empty(); });
    EXPECT_TRUE(is_kept) << "all is answered, refusals included";
    EXPECT_TRUE(shard.wait(mine->put("t", "o", "again", "v")).has_value());
}

TEST_F(TheStore, bounds_the_bytes_that_wait) {
    StoreService small{log, {.waiting_bytes = 1000}};
    small.use([] { return memory::open(); });
    auto mine = small.front(shard.post());
    EXPECT_FALSE(shard.wait(mine->put("t", "o", "k", std::string(2000, 'x'))).has_value());
    EXPECT_TRUE(shard.wait(mine->put("t", "o", "k", std::string(900, 'x'))).has_value());
    EXPECT_TRUE(shard.wait(mine->put("t", "o", "k", std::string(900, 'x'))).has_value())
        << "the first one's bytes are free again";
}

TEST_F(TheStore, tells_when_the_writes_asked_for_are_kept) {
    use();
    bool at_once = false;
    front->when_kept([&](const std::string& error) { at_once = error.empty(); });
    EXPECT_TRUE(at_once) << "nothing was asked for";

    auto gate = hold();
    front->put_row("roster", "juliet@capulet.lit", "nurse@capulet.lit", "row");
    EXPECT_EQ(front->asked(), 1U);
    std::string first = "waiting", second = "waiting";
    front->when_kept([&](const std::string& error) { first = error; });
    front->erase_row("roster", "juliet@capulet.lit", "paris@capulet.lit");
    front->when_kept([&](const std::string& error) { second = error; });
    EXPECT_EQ(first, "waiting");
    gate.set_value();
    shard.run_until([&] { return second != "waiting"; });
    EXPECT_EQ(first, "");
    EXPECT_EQ(second, "");
    EXPECT_EQ(story.all().back(), "commit");
}

TEST_F(TheStore, blames_a_failed_write_only_on_those_who_waited_for_it) {
    use();
    auto gate = hold();
    std::string before = "waiting", own = "waiting", after = "waiting";
    auto start = front->asked();
    front->put_row("roster", "juliet@capulet.lit", "a", "row");
    front->when_kept(start, [&](const std::string& error) { before = error; });
    start = front->asked();
    front->put_row("bad", "juliet@capulet.lit", "b", "row");
    front->when_kept(start, [&](const std::string& error) { own = error; });
    start = front->asked();
    front->put_row("roster", "juliet@capulet.lit", "c", "row");
    front->when_kept(start, [&](const std::string& error) { after = error; });
    gate.set_value();
    shard.run_until([&] { return before != "waiting" && own != "waiting" && after != "waiting"; });
    EXPECT_EQ(before, "");
    EXPECT_NE(own, "");
    EXPECT_EQ(after, "");
    std::string late = "waiting";
    front->when_kept(1, [&](const std::string& error) { late = error; });
    EXPECT_NE(late, "") << "a task that began before the failure hears of it afterwards";
    front->when_kept([&](const std::string& error) { late = error; });
    EXPECT_EQ(late, "") << "what comes now has nothing to do with it";
}

TEST_F(TheStore, loads_an_account_in_one_request) {
    use();
    front->put_row("roster", "juliet@capulet.lit", "nurse@capulet.lit", "row");
    front->put_row("block", "juliet@capulet.lit", "paris@capulet.lit", "");
    EXPECT_EQ(service.run([](StoreDriver& d) { d.journal_append("juliet@capulet.lit", entry(1, "<message/>")); }), "");
    std::optional<Result<StoreService::Front::Loaded>> loaded;
    front->load("juliet@capulet.lit", [&](Result<StoreService::Front::Loaded> l) { loaded = std::move(l); });
    shard.run_until([&] { return loaded.has_value(); });
    ASSERT_TRUE(loaded->has_value());
    ASSERT_EQ((*loaded)->rows.size(), 2U);
    EXPECT_EQ((*loaded)->rows[0].table, "block");
    EXPECT_EQ((*loaded)->rows[1].value, "row");
    EXPECT_EQ((*loaded)->journal.count, 1U);
    EXPECT_EQ((*loaded)->journal.bytes, 10U);
}

TEST_F(TheStore, reads_what_was_written_before_in_the_same_transaction) {
    use();
    auto gate = hold();
    put("k");
    auto read = front->get("t", "juliet@capulet.lit", "k");
    gate.set_value();
    const auto got = shard.wait(std::move(read));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(**got, "v");
}

TEST_F(TheStore, changes_the_driver_between_two_transactions_under_load) {
    use("1 ");
    std::atomic<bool> stop = false;
    std::atomic<int> answered = 0, refused = 0, asked = 0;
    std::thread load{[&] {
        while (!stop) {
            ++asked;
            service.submit([](StoreDriver& d) { d.put(Space::items, "t", "o", "k", "v"); },
                           [](const std::function<void()>& f) { f(); },
                           [&](const std::string& error) { ++(error.empty() ? answered : refused); }, true);
            while (asked - answered - refused > 100) std::this_thread::yield();
        }
    }};
    for (int i = 2; i < 30; ++i) use(std::to_string(i) + " ");
    stop = true;
    load.join();
    EXPECT_EQ(service.run([](StoreDriver&) {}), "");
    EXPECT_EQ(answered, asked);
    EXPECT_EQ(refused, 0);
    std::string current = "", open = "";
    for (const auto& event : story.all()) {
        const auto name = event.substr(0, event.find(' '));
        if (event.ends_with("begin")) {
            EXPECT_TRUE(open.empty());
            open = name;
        }
        if (event.ends_with("put k")) {
            EXPECT_EQ(name, open);
        }
        if (event.ends_with("commit")) open.clear();
        if (event.ends_with("closed")) {
            EXPECT_TRUE(open.empty()) << "closed within a transaction";
        }
    }
}

TEST_F(TheStore, keeps_the_old_driver_when_the_new_one_cannot_be_made) {
    use("old ");
    EXPECT_THROW(service.use([]() -> std::unique_ptr<StoreDriver> { throw std::runtime_error{"tambo.db: damaged"}; }),
                 std::runtime_error);
    EXPECT_THROW(service.use([] { return std::unique_ptr<StoreDriver>{}; }), std::runtime_error);
    EXPECT_TRUE(shard.wait(put("k")).has_value());
    EXPECT_EQ(story.all().back(), "old commit");
}

TEST_F(TheStore, has_destroyed_the_old_driver_when_use_returns) {
    use("old ");
    use("new ");
    EXPECT_EQ(story.all(), std::vector<std::string>{"old closed"});
}

TEST_F(TheStore, drops_answers_for_a_shard_that_is_gone) {
    use();
    auto gate = hold();
    auto later = put("k");
    bool told = false;
    front->when_kept([&](const std::string&) { told = true; });
    front.reset();
    gate.set_value();
    EXPECT_EQ(service.run([](StoreDriver& d) {
        if (!d.get(Space::items, "t", "juliet@capulet.lit", "k")) throw std::runtime_error{"it was not kept"};
    }),
              "");
    EXPECT_EQ(shard.posts(), 1U) << "its wake; nobody is there to take the answer";
    EXPECT_FALSE(later.await_ready());
    EXPECT_FALSE(told);
}

TEST_F(TheStore, drops_answers_that_were_brought_before_the_shard_went) {
    use();
    auto later = put("k");
    EXPECT_EQ(service.run([](StoreDriver&) {}), "");
    ASSERT_EQ(shard.posts(), 2U);
    front.reset();
    shard.run_one();
    shard.run_one();
    EXPECT_FALSE(later.await_ready());
}

TEST_F(TheStore, keeps_what_was_asked_for_before_its_driver_is_taken_away) {
    use();
    auto gate = hold();
    std::vector<Later<Result<Nothing>>> asked;
    for (int i = 0; i < 20; ++i) asked.push_back(put("k" + std::to_string(i)));
    std::thread end{[&] { service.use({}); }};
    gate.set_value();
    end.join();
    for (auto& later : asked) EXPECT_TRUE(shard.wait(std::move(later)).has_value());
    EXPECT_EQ(story.all().back(), "closed");
}

TEST_F(TheStore, an_answer_that_throws_does_not_cost_the_others_theirs) {
    use();
    auto mine = service.front(shard.post());
    auto gate = hold();
    bool told = false;
    mine->load("a@b", [](const Result<StoreService::Front::Loaded>&) { throw std::logic_error{"a fault"}; });
    mine->load("a@b", [&](const Result<StoreService::Front::Loaded>&) { told = true; });
    gate.set_value();
    shard.run_one();   // its wake
    EXPECT_THROW(shard.run_one(), std::logic_error) << "the shard hears of the fault";
    EXPECT_TRUE(told);
}

TEST(StoreService, works_off_what_is_queued_before_it_ends) {
    Lines log;
    int answered = 0;
    {
        StoreService service{log};
        service.use([] { return memory::open(); });
        for (int i = 0; i < 500; ++i)
            service.submit([](StoreDriver&) {}, [](const std::function<void()>& f) { f(); },
                           [&](const std::string& error) { answered += error.empty(); }, true);
    }
    EXPECT_EQ(answered, 500);
}

TEST_F(TheStore, commits_in_between_when_a_batch_takes_long) {
    StoreService hasty{log, {.batch_time = std::chrono::milliseconds{0}}};
    hasty.use([this] { return std::make_unique<Telling>(story, ""); });
    for (int i = 0; i < 20; ++i)
        hasty.submit([](StoreDriver&) {}, [](const std::function<void()>& f) { f(); }, [](const std::string&) {},
                     false);
    EXPECT_EQ(hasty.run([](StoreDriver&) {}), "");
    EXPECT_EQ(std::ranges::count(story.all(), "commit"), 21) << "each request used up the whole time";
}

}   // namespace
