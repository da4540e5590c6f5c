// Lets modules crash: who fails is taken out, rebuilt, or goes back to the version before.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "module/loader.hpp"
#include "server/fault_policy.hpp"
#include "server/kernel.hpp"

namespace tambo {

/// Hears of faults at the kernel's desk and carries out what FaultPolicy makes of them. Has a thread of its own, since
/// the loader waits for shards; where the program runs the loop (Options::own_threads = false), the loop's thread does
/// it in look().
class Supervisor {
public:
    Supervisor(Kernel& kernel, Loader& loader);
    ~Supervisor();   ///< stops
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    void start();
    void stop();
    /// All that has been told so far is dealt with, and all that is due. From any thread but a shard's.
    void look();

    struct Figures {
        std::uint64_t restarts = 0, roll_backs = 0, left_out = 0;
    };
    Figures figures() const;

private:
    void run();
    bool may_look() const;
    void hear(const ModuleNews& news);
    void carry_out(const FaultPolicy::Orders& orders);
    void withdraw(const FaultPolicy::Order& order);
    void rebuild(const FaultPolicy::Order& order);
    void roll_back(const FaultPolicy::Order& order);
    void mark(const std::string& module, std::uint64_t generation, std::string what);
    Duration time_left();

    Kernel& kernel_;
    Loader& loader_;
    const std::unique_ptr<NamedLog> log_;
    std::mt19937 random_{std::random_device{}()};

    std::mutex looking_;   // one looks at a time
    FaultPolicy policy_;
    Duration remembered_{};   // when states were
    std::atomic<std::uint64_t> restarts_{0}, roll_backs_{0}, left_out_{0};

    std::mutex lock_;
    std::condition_variable called_;
    bool is_called_ = false, stopping_ = false;
    std::thread thread_;
};

}   // namespace tambo
