// Sees when a handler holds a shard.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/kernel.hpp"
#include "server/slow_handler.hpp"

namespace tambo {

/// Looks at all shards several times a second, in real time, and names in the log who holds one for longer than
/// [kernel] slow_handler; when the same module does it again, that is a fault. On a thread of its own, which waits for
/// nobody: the supervisor may be waiting for that very shard.
class Watchdog {
public:
    explicit Watchdog(Kernel& kernel);
    ~Watchdog();   ///< stops
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

    void start();
    void stop();

private:
    void run();
    void look();
    void say(const Shard& shard, const SlowHandler::Finding& finding);

    Kernel& kernel_;
    const std::unique_ptr<NamedLog> log_;
    const SlowHandler::Span period_;
    std::vector<SlowHandler> shards_;
    SlowHandler::Time looked_{};
    std::set<std::string> known_;   // who has held a shard before

    std::mutex lock_;
    std::condition_variable called_;
    bool stopping_ = false;
    std::thread thread_;
};

}   // namespace tambo
