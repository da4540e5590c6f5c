#include "store/store_service.hpp"

#include <future>
#include <pthread.h>
#include <stdexcept>
#include <utility>

#include "store/signals_blocked.hpp"
#include "store/store_thread.hpp"

namespace tambo {

// --- what waits

StoreService::Impl::Impl(Log& log, Limits limits) : log_(log), limits_(limits), health_(log) {
    const SignalsBlocked during_start;
    thread_ = std::thread{[this] { work(); }};
    pthread_setname_np(thread_.native_handle(), "tambo-store");
}

StoreService::Impl::~Impl() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

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
    return true;
}

void StoreService::Impl::push(Request request) {
    {
        const std::lock_guard lock{mutex_};
        ++waiting_requests_;
        waiting_bytes_ += request.bytes;
        queue_.push_back(std::move(request));
    }
    wake();
}

StoreService::Figures StoreService::Impl::figures() const {
    const std::lock_guard lock{mutex_};
    auto figures = figures_;
    figures.queued = waiting_requests_;
    return figures;
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

bool StoreService::offer(Request& request) { return impl_->offer(request); }
void StoreService::wake() noexcept { impl_->wake(); }

void StoreService::submit(Job job, Post post, Answer answer, bool writes) {
    Request request{std::move(job), std::make_shared<Line>(std::move(post)), std::move(answer), 0, writes};
    if (offer(request)) return wake();
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

}   // namespace tambo
