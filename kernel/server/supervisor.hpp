// Lets modules crash: who fails is taken out, rebuilt, or goes back to the version before.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
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
        std::uint64_t restarts = 0, roll_backs = 0;
    };
    Figures figures(const std::string& module) const;   ///< since the start; from any thread

private:
    void call();
    void run();
    bool may_look() const;
    void hear(const ModuleNews& news);
    void carry_out(const FaultPolicy::Orders& orders);
    void withdraw(const FaultPolicy::Order& order);
    void rebuild(const FaultPolicy::Order& order);
    void roll_back(const FaultPolicy::Order& order);
    void mark(const std::string& module, std::uint64_t generation, std::string what);
    void count(const std::string& module, std::uint64_t Figures::* what);
    Duration time_left();

    Kernel& kernel_;
    Loader& loader_;
    const std::unique_ptr<NamedLog> log_;
    std::mt19937 random_{std::random_device{}()};

    std::mutex looking_;   // one looks at a time
    FaultPolicy policy_;
    Duration remembered_{};   // when states were
    mutable std::mutex figures_lock_;
    std::map<std::string, Figures> figures_;

    const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);   // asked by looks that are on their way
    std::mutex lock_;
    std::condition_variable called_;
    bool is_called_ = false, stopping_ = false;
    std::thread thread_;
};

}   // namespace tambo
