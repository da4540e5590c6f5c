#include "store/store_service.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <future>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <span>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

#include "module/failure.hpp"
#include "server/crash_note.hpp"
#include "store/signals_blocked.hpp"

namespace tambo {

namespace {

using Steady = std::chrono::steady_clock;

// These sentences may reach clients, and so does general_failure for all that a driver says: a driver names files.
constexpr std::string_view no_store = "no store is loaded";
constexpr std::string_view overloaded = "the store has too much to do; try again later";
constexpr std::string_view general_failure = "the store failed; try again later";

void count(Histogram& histogram, double seconds) {
    if (histogram.bounds.empty()) {
        histogram.bounds = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2};
        histogram.counts.resize(histogram.bounds.size() + 1);
    }
    const auto at = std::ranges::lower_bound(histogram.bounds, seconds) - histogram.bounds.begin();
    ++histogram.counts[static_cast<std::size_t>(at)];
    histogram.sum += seconds;
}

double milliseconds(Steady::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

/// Tells the operator how the store is: once for each cause, and once when it is well again. Store thread only.
class Health {
public:
    explicit Health(Log& log) : log_(log) {}

    void failed(const std::string& cause, std::size_t requests) {
        refused_ += requests;
        if (cause == cause_) return;
        cause_ = cause;
        log_.error(
            "store fails: {}; requests are refused until it works again, nothing is acknowledged that was not kept",
            cause);
    }

    /// One request failed where others succeed. The same cause is told once a minute, since a peer may be able to
    /// repeat it.
    void refused(const std::string& cause) {
        if (cause == lone_cause_ && Steady::now() - told_ < std::chrono::minutes{1}) return;
        lone_cause_ = cause;
        told_ = Steady::now();
        log_.warning("store refused a request: {}; the others are not affected", cause);
    }

    /// Reading says nothing: it may work well on a full disk.
    void committed(Steady::duration took, bool wrote) {
        if (!wrote) return;
        if (!cause_.empty()) log_.warning("store works again; {} requests were refused meanwhile", refused_);
        cause_.clear();
        refused_ = 0;
        if (took > slow && !is_slow_)
            log_.warning(
                "store is slow ({:.1f} s for a commit); what has to be kept waits, nothing is lost; is the disk busy?",
                milliseconds(took) / 1000);
        if (took < quick && is_slow_) log_.info("store is quick again ({:.0f} ms for a commit)", milliseconds(took));
        if (took > slow) is_slow_ = true;
        if (took < quick) is_slow_ = false;
    }

private:
    static constexpr Steady::duration slow = std::chrono::seconds{1};
    static constexpr Steady::duration quick = std::chrono::milliseconds{200};

    Log& log_;
    std::string cause_, lone_cause_;
    std::size_t refused_ = 0;
    Steady::time_point told_;
    bool is_slow_ = false;
};

}   // namespace

/// The way back to a shard, until that closes it. All requests of a front share one: their answers travel together.
class StoreService::Line {
public:
    explicit Line(Post post) : post_(std::move(post)) {}

    void post(std::function<void()> closure) {
        const std::lock_guard lock{mutex_};
        if (is_open_) post_(std::move(closure));
    }
    /// When this returns, the other end may go.
    void close() {
        const std::lock_guard lock{mutex_};
        is_open_ = false;
    }

private:
    std::mutex mutex_;
    bool is_open_ = true;
    const Post post_;
};

struct StoreService::Request {
    Job job;
    std::shared_ptr<Line> line;
    Answer answer;
    std::size_t bytes = 0;
    bool writes = true;
    std::string error{};
};

class StoreService::Impl {
public:
    Impl(Log& log, Limits limits) : log_(log), limits_(limits), health_(log) {
        const SignalsBlocked during_start;
        thread_ = std::thread{[this] { work(); }};
        pthread_setname_np(thread_.native_handle(), "tambo-store");
    }

    ~Impl() {
        {
            const std::lock_guard lock{mutex_};
            stopping_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void use(const StoreFactory& factory, const char* crumb);
    bool ready() const noexcept { return ready_.load(std::memory_order_acquire); }
    bool offer(Request& request);
    void push(Request request);
    Figures figures() const;

private:
    struct Switch {
        const StoreFactory& factory;
        const char* crumb;
        std::string error{};
        bool done = false;
    };
    struct Attempt {
        std::size_t done;
        std::string thrown;   // by the job behind those that are done
    };

    void work();
    void work_off(std::span<Request> requests);
    void change_driver();
    std::size_t transact(std::span<Request> requests);
    void settle_again(std::span<Request> requests);
    void settle_alone(Request& request);
    Attempt attempt(std::span<Request> requests, Steady::time_point until);
    void commit(std::span<Request> requests);
    void refuse(std::span<Request> requests, std::string_view error);
    void answer(std::span<Request> requests);
    void post_answers(std::span<Request> requests);

    Log& log_;
    const Limits limits_;
    Health health_;                         // store thread
    std::unique_ptr<StoreDriver> driver_;   // store thread

    mutable std::mutex mutex_;   // guards what follows
    std::condition_variable wake_, changed_;
    std::vector<Request> queue_;
    std::size_t waiting_requests_ = 0, waiting_bytes_ = 0;
    Switch* switch_ = nullptr;
    bool stopping_ = false, is_overloaded_ = false;
    Figures figures_;

    std::mutex one_use_at_a_time_;
    std::atomic<bool> ready_ = false;
    std::thread thread_;   // last: it uses all of the above
};

// --- callers' side

void StoreService::Impl::use(const StoreFactory& factory, const char* crumb) {
    const std::lock_guard one{one_use_at_a_time_};
    Switch wanted{factory, crumb};
    std::unique_lock lock{mutex_};
    switch_ = &wanted;
    wake_.notify_one();
    changed_.wait(lock, [&] { return wanted.done; });
    if (!wanted.error.empty()) throw std::runtime_error{wanted.error};
}

/// Takes the request, or leaves it as it is because too much waits.
bool StoreService::Impl::offer(Request& request) {
    std::unique_lock lock{mutex_};
    if (waiting_requests_ >= limits_.waiting_requests || waiting_bytes_ + request.bytes > limits_.waiting_bytes) {
        ++figures_.failures;
        if (!std::exchange(is_overloaded_, true)) {
            lock.unlock();
            log_.warning("store can't keep up: {} requests wait; further ones are refused until it has caught up",
                         limits_.waiting_requests);
        }
        return false;
    }
    ++waiting_requests_;
    waiting_bytes_ += request.bytes;
    queue_.push_back(std::move(request));
    if (queue_.size() == 1) wake_.notify_one();
    return true;
}

void StoreService::Impl::push(Request request) {
    const std::lock_guard lock{mutex_};
    ++waiting_requests_;
    waiting_bytes_ += request.bytes;
    queue_.push_back(std::move(request));
    wake_.notify_one();
}

StoreService::Figures StoreService::Impl::figures() const {
    const std::lock_guard lock{mutex_};
    auto figures = figures_;
    figures.queued = waiting_requests_;
    return figures;
}

// --- store thread

void StoreService::Impl::work() {
    use_signal_stack();
    std::vector<Request> taken;
    for (;;) {
        {
            std::unique_lock lock{mutex_};
            wake_.wait(lock, [&] { return !queue_.empty() || switch_ || stopping_; });
            if (queue_.empty() && !switch_) break;
            taken.swap(queue_);
        }
        change_driver();
        work_off(taken);
        if (taken.capacity() > 2 * limits_.batch_requests)
            std::vector<Request>{}.swap(taken);   // a flood's memory goes back
        taken.clear();
    }
    driver_.reset();
}

void StoreService::Impl::work_off(std::span<Request> requests) {
    while (!requests.empty()) {
        requests = requests.subspan(transact(requests.first(std::min(requests.size(), limits_.batch_requests))));
        change_driver();
    }
}

void StoreService::Impl::change_driver() {
    Switch* wanted = nullptr;
    {
        const std::lock_guard lock{mutex_};
        wanted = std::exchange(switch_, nullptr);
    }
    if (!wanted) return;
    auto error = text_of_failure([&] {
        const ThreadCrumb newcomer{wanted->crumb};
        auto next = wanted->factory ? wanted->factory.open() : nullptr;
        if (wanted->factory && !next) throw std::runtime_error{"the store plugin made no driver"};
        if (next) next->promise(limits_.durability);
        if (next && driver_ && !next->take_over(driver_->hand_over()))
            throw std::runtime_error{"the new driver cannot take over what the old one has in memory"};
        driver_ = std::move(next);
    });
    if (error.empty()) on_this_thread.module = wanted->crumb;
    ready_.store(driver_ != nullptr, std::memory_order_release);
    const std::lock_guard lock{mutex_};
    wanted->error = std::move(error);
    wanted->done = true;
    changed_.notify_all();
}

/// Works off one transaction's worth from the front; says how many requests that answered.
std::size_t StoreService::Impl::transact(std::span<Request> requests) {
    if (!driver_) {
        refuse(requests, no_store);
        return requests.size();
    }
    const auto [done, thrown] = attempt(requests, Steady::now() + limits_.batch_time);
    if (thrown.empty()) return done;
    // Those before the bad one were rolled back with it. They succeeded, so they are kept together now, without it.
    settle_again(requests.first(done));
    settle_alone(requests[done]);
    return done + 1;
}

void StoreService::Impl::settle_again(std::span<Request> requests) {
    while (!requests.empty()) {
        const auto [done, thrown] = attempt(requests, Steady::time_point::max());
        if (thrown.empty()) return;
        for (auto& request : requests.first(done + 1)) settle_alone(request);   // once is chance, twice is trouble
        requests = requests.subspan(done + 1);
    }
}

void StoreService::Impl::settle_alone(Request& request) {
    const auto [done, thrown] = attempt({&request, 1}, Steady::time_point::max());
    if (thrown.empty()) return;
    health_.refused(thrown);
    refuse({&request, 1}, thrown);
}

/// One transaction: runs requests until one throws (then nothing has happened), or until the time is over (then all
/// those that ran are answered).
StoreService::Impl::Attempt StoreService::Impl::attempt(std::span<Request> requests, Steady::time_point until) {
    if (const auto error = text_of_failure([&] { driver_->begin(); }); !error.empty()) {
        driver_->rollback();
        health_.failed(error, requests.size());
        refuse(requests, error);
        return {requests.size(), {}};
    }
    std::size_t done = 0;
    do {
        auto error = text_of_failure([&] { requests[done].job(*driver_); });
        if (!error.empty()) {
            driver_->rollback();
            return {done, std::move(error)};
        }
    } while (++done < requests.size() && Steady::now() < until);
    commit(requests.first(done));
    return {done, {}};
}

void StoreService::Impl::commit(std::span<Request> requests) {
    const auto start = Steady::now();
    const auto error = text_of_failure([&] { driver_->commit(); });
    const auto took = Steady::now() - start;
    if (!error.empty()) {
        driver_->rollback();
        health_.failed(error, requests.size());
        refuse(requests, error);
        return;
    }
    health_.committed(took, std::ranges::any_of(requests, &Request::writes));
    {
        const std::lock_guard lock{mutex_};
        ++figures_.commits;
        figures_.last_commit_ms = milliseconds(took);
        count(figures_.commit_times, std::chrono::duration<double>(took).count());
    }
    answer(requests);
}

void StoreService::Impl::refuse(std::span<Request> requests, std::string_view error) {
    for (auto& request : requests) request.error = error;
    {
        const std::lock_guard lock{mutex_};
        figures_.failures += requests.size();
    }
    answer(requests);
}

void StoreService::Impl::answer(std::span<Request> requests) {
    std::size_t bytes = 0;
    for (const auto& request : requests) bytes += request.bytes;
    bool caught_up = false;
    {
        const std::lock_guard lock{mutex_};
        figures_.requests += requests.size();
        waiting_requests_ -= requests.size();
        waiting_bytes_ -= bytes;
        if (is_overloaded_ && waiting_requests_ <= limits_.waiting_requests / 2 &&
            waiting_bytes_ <= limits_.waiting_bytes / 2) {
            is_overloaded_ = false;
            caught_up = true;
        }
    }
    if (caught_up) log_.info("store has caught up");
    post_answers(requests);
}

/// One closure for each shard, with all of its answers in order.
void StoreService::Impl::post_answers(std::span<Request> requests) {
    struct Told {
        Answer answer;
        std::string error;
    };
    using Batch = std::vector<Told>;
    std::vector<std::pair<std::shared_ptr<Line>, std::shared_ptr<Batch>>> batches;
    std::unordered_map<const Line*, std::size_t> known;
    for (auto& request : requests) {
        const auto [at, is_new] = known.try_emplace(request.line.get(), batches.size());
        if (is_new) batches.emplace_back(std::move(request.line), std::make_shared<Batch>());
        batches[at->second].second->push_back({std::move(request.answer), std::move(request.error)});
        request.job = nullptr;
    }
    for (auto& [line, batch] : batches) {
        const auto error = text_of_failure([&] {
            // An answer that throws must not cost the others theirs: it is reported when all were told.
            // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): every batch has its line
            line->post([batch = std::move(batch)] {
                std::exception_ptr thrown;
                for (auto& told : *batch) try {
                        std::exchange(told.answer, {})(told.error);
                    } catch (...) {
                        if (!thrown) thrown = std::current_exception();
                    }
                if (thrown) std::rethrow_exception(thrown);
            });
        });
        if (!error.empty()) log_.error("store: an answer could not be delivered: {}", error);
    }
}

// --- StoreService

StoreService::StoreService(Log& log) : StoreService(log, Limits{}) {}
StoreService::StoreService(Log& log, Limits limits) : impl_(std::make_unique<Impl>(log, limits)) {}
StoreService::~StoreService() = default;

void StoreService::use(const StoreFactory& factory, const char* crumb) {
    if (!factory) run([](StoreDriver&) {});   // what was asked for before is still kept
    impl_->use(factory, crumb);
}
bool StoreService::ready() const noexcept { return impl_->ready(); }
StoreService::Figures StoreService::figures() const { return impl_->figures(); }

void StoreService::submit(Job job, Post post, Answer answer, bool writes) {
    Request request{std::move(job), std::make_shared<Line>(std::move(post)), std::move(answer), 0, writes};
    if (impl_->offer(request)) return;
    request.line->post([answer = std::move(request.answer)] { answer(std::string{overloaded}); });
}

std::string StoreService::run(Job job) {
    std::promise<std::string> result;
    const auto here = std::make_shared<Line>([](const std::function<void()>& closure) { closure(); });
    impl_->push({std::move(job), here, [&](const std::string& error) { result.set_value(error); }});
    return result.get_future().get();
}

std::unique_ptr<StoreService::Front> StoreService::front(Post post) {
    return std::make_unique<Front>(*this, std::move(post));
}

// --- Front

StoreService::Front::Front(StoreService& service, Post post)
    : service_(service), line_(std::make_shared<Line>(std::move(post))), alive_(std::make_shared<bool>(true)) {}

StoreService::Front::~Front() {
    line_->close();
    *alive_ = false;
}

void StoreService::Front::send(Weight weight, Job job, Answer answer) {
    const auto number = weight.writes ? ++asked_ : 0;
    auto settle = [this, alive = alive_, number, answer = std::move(answer)](const std::string& error) {
        if (!*alive) return;
        const bool was_accepted = error != overloaded;
        const auto text = error.empty() || !was_accepted || error == no_store ? error : std::string{general_failure};
        if (number > 0) answered(number, was_accepted, text);
        answer(text);
    };
    Request request{std::move(job), line_, std::move(settle), weight.bytes, weight.writes};
    if (service_.impl_->offer(request)) {
        if (number > 0) last_accepted_ = number;
        return;
    }
    line_->post([settled = std::move(request.answer)] { settled(std::string{overloaded}); });
}

/// Answers come in the order of their numbers, except that a refusal overtakes what was accepted before it.
void StoreService::Front::answered(std::uint64_t number, bool was_accepted, const std::string& error) {
    if (!was_accepted) last_refused_ = number;
    if (was_accepted) settled_ = number;
    if (settled_ >= last_accepted_) settled_ = std::max(settled_, last_refused_);
    if (!error.empty()) {
        last_failed_ = std::max(last_failed_, number);
        last_error_ = error;
    }
    if (!waiting_.empty()) tell_waiting(error.empty() ? 0 : number, error);
}

void StoreService::Front::tell_waiting(std::uint64_t failed, const std::string& error) {
    std::vector<std::pair<Answer, bool>> due;   // called last: a callback may come back here, or end this front
    std::erase_if(waiting_, [&](Waiting& w) {
        const bool has_failed = w.since < failed && failed <= w.until;
        if (!has_failed && w.until > settled_) return false;
        due.emplace_back(std::move(w.then), has_failed);
        return true;
    });
    for (auto& [then, has_failed] : due) then(has_failed ? error : std::string{});
}

void StoreService::Front::when_kept(std::uint64_t since, Answer then) {
    if (last_failed_ > since) return then(last_error_);
    if (settled_ >= asked_) return then({});
    waiting_.push_back({since, asked_, std::move(then)});
}

template <class T, class F>
Later<Result<T>> StoreService::Front::ask(Weight weight, F job) {
    Later<Result<T>> later;
    auto value = std::make_shared<std::optional<T>>();   // written by the store thread, read here after its answer
    send(
        weight, [value, job = std::move(job)](StoreDriver& driver) { value->emplace(job(driver)); },
        [value, state = later.state()](const std::string& error) {
            if (error.empty())
                state->complete(std::move(**value));
            else
                state->complete(fail(Condition::resource_constraint, error));
        });
    return later;
}

Later<Result<std::optional<Bytes>>> StoreService::Front::get(std::string table, std::string owner, std::string key) {
    return ask<std::optional<Bytes>>({false, 0},
                                     [=](StoreDriver& d) { return d.get(Space::items, table, owner, key); });
}

Later<Result<Nothing>> StoreService::Front::put(std::string table, std::string owner, std::string key, Bytes value) {
    check(table, owner);
    const auto bytes = key.size() + value.size();
    return ask<Nothing>({true, bytes}, [table = std::move(table), owner = std::move(owner), key = std::move(key),
                                        value = std::move(value)](StoreDriver& d) {
        d.put(Space::items, table, owner, key, value);
        return Nothing{};
    });
}

Later<Result<Nothing>> StoreService::Front::insert(std::string table, std::string owner, std::string key, Bytes value) {
    check(table, owner);
    Later<Result<Nothing>> later;
    const auto bytes = key.size() + value.size();
    auto is_new = std::make_shared<bool>(false);   // written by the store thread, read here after its answer
    send(
        {true, bytes},
        [is_new, table = std::move(table), owner = std::move(owner), key = std::move(key),
         value = std::move(value)](StoreDriver& d) {
            *is_new = !d.get(Space::items, table, owner, key);
            if (*is_new) d.put(Space::items, table, owner, key, value);
        },
        [is_new, state = later.state()](const std::string& error) {
            if (!error.empty())
                state->complete(fail(Condition::resource_constraint, error));
            else if (!*is_new)
                state->complete(fail(Condition::conflict, "it exists"));
            else
                state->complete(Nothing{});
        });
    return later;
}

Later<Result<Nothing>> StoreService::Front::erase(std::string table, std::string owner, std::string key) {
    return ask<Nothing>({true, 0}, [=](StoreDriver& d) {
        d.erase(Space::items, table, owner, key);
        return Nothing{};
    });
}

Later<Result<Rows>> StoreService::Front::list(std::string table, std::string owner) {
    return ask<Rows>({false, 0}, [=](StoreDriver& d) { return d.list(Space::items, table, owner); });
}

Later<Result<std::vector<std::string>>> StoreService::Front::owners(std::string table, std::string after,
                                                                    std::size_t limit) {
    return ask<std::vector<std::string>>({false, 0},
                                         [=](StoreDriver& d) { return d.owners(Space::items, table, after, limit); });
}

Later<Result<Nothing>> StoreService::Front::erase_owner(std::string owner) {
    return ask<Nothing>({true, 0}, [=](StoreDriver& d) {
        d.erase_owner(owner);
        return Nothing{};
    });
}

namespace {

/// Gives what `job` found, or why it could not.
template <class T>
StoreService::Answer pass_on(const std::shared_ptr<T>& found, std::function<void(Result<T>)> answer) {
    return [found, answer = std::move(answer)](const std::string& error) {
        if (error.empty())
            answer(std::move(*found));
        else
            answer(fail(Condition::resource_constraint, error));
    };
}

StoreService::Front::Loaded load_all(StoreDriver& driver, const std::string& owner) {
    StoreService::Front::Loaded all{driver.load(owner), driver.journal_state(owner), {}, {}};
    for (auto& session : driver.sessions(owner)) {
        auto sent = driver.journal_sent(session.device, session.accepted);
        all.sessions.push_back({std::move(session), std::move(sent)});
    }
    if (!all.sessions.empty()) all.held = driver.journal_held(owner);
    return all;
}

}   // namespace

void StoreService::Front::load(std::string owner, std::function<void(Result<Loaded>)> answer) {
    auto loaded = std::make_shared<Loaded>();
    send(
        {false, 0}, [loaded, owner = std::move(owner)](StoreDriver& d) { *loaded = load_all(d, owner); },
        pass_on(loaded, std::move(answer)));
}

void StoreService::Front::journal_read(std::string owner, std::uint64_t after, std::size_t limit,
                                       std::function<void(Result<std::vector<JournalEntry>>)> answer) {
    auto found = std::make_shared<std::vector<JournalEntry>>();
    send(
        {false, 0}, [=](StoreDriver& d) { *found = d.journal_read(owner, after, limit); },
        pass_on(found, std::move(answer)));
}

void StoreService::Front::session_owners(std::string after, std::size_t limit,
                                         std::function<void(Result<std::vector<std::string>>)> answer) {
    auto found = std::make_shared<std::vector<std::string>>();
    send(
        {false, 0}, [=](StoreDriver& d) { *found = d.session_owners(after, limit); },
        pass_on(found, std::move(answer)));
}

void StoreService::Front::change(std::size_t bytes, Job job, Answer answer) {
    send({true, bytes}, std::move(job), std::move(answer));
}

void StoreService::Front::put_row(std::string table, std::string owner, std::string key, std::string value) {
    const auto bytes = key.size() + value.size();
    send(
        {true, bytes},
        [table = std::move(table), owner = std::move(owner), key = std::move(key),
         value = std::move(value)](StoreDriver& d) { d.put(Space::resident, table, owner, key, value); },
        [](const std::string&) {});
}

void StoreService::Front::erase_row(std::string table, std::string owner, std::string key) {
    send(
        {true, 0},
        [table = std::move(table), owner = std::move(owner), key = std::move(key)](StoreDriver& d) {
            d.erase(Space::resident, table, owner, key);
        },
        [](const std::string&) {});
}

}   // namespace tambo
