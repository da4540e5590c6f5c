#include "store/store_thread.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "module/failure.hpp"
#include "server/crash_note.hpp"

namespace tambo {

namespace {

using Steady = std::chrono::steady_clock;

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

}   // namespace

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

}   // namespace tambo
