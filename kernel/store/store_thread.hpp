// The store thread: what waits for it, and what it does with a transaction's worth of it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "store/store_health.hpp"
#include "store/store_request.hpp"
#include "store/store_service.hpp"

namespace tambo {

class StoreService::Impl {
public:
    Impl(Log& log, Limits limits);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void use(const StoreFactory& factory, const char* crumb);
    bool ready() const noexcept { return ready_.load(std::memory_order_acquire); }
    bool offer(Request& request);
    void wake() noexcept { wake_.notify_one(); }
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
    Attempt attempt(std::span<Request> requests, std::chrono::steady_clock::time_point until);
    void commit(std::span<Request> requests);
    void refuse(std::span<Request> requests, std::string_view error);
    void answer(std::span<Request> requests);
    void post_answers(std::span<Request> requests);

    Log& log_;
    const Limits limits_;
    StoreHealth health_;                    // store thread
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

}   // namespace tambo
