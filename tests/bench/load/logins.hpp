// Lets many clients log in, so many at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "client.hpp"

namespace bench {

/// The clients of a test, and how they come. The test is told of the rest.
class Crowd : public Audience {
public:
    Crowd(Run& run, std::uint32_t count);
    virtual ~Crowd() = default;

    void ready(Client& client) override;
    void failed(Client& client) override;
    void dropped(Client&) override {}

protected:
    struct Manner {
        std::uint32_t concurrency;
        bool again = false;            ///< who fails tries again, 50 ms later
        Histogram* taken = nullptr;    ///< nanoseconds from a login's begin
        bool from_the_start = false;   ///< … or from the first one's
    };
    /// clients[first, last) log in; says whether all did in time.
    bool log_in(std::size_t first, std::size_t last, const Manner& manner);
    bool log_all_in() { return log_in(0, clients_.size(), {.concurrency = run_.options.concurrency}); }
    void log_all_out();

    Client& client(std::size_t index) { return *clients_[index]; }
    std::size_t index_of(const Client& client) const { return client.number() - run_.options.first; }
    std::size_t size() const noexcept { return clients_.size(); }
    Counters& counters() noexcept { return run_.counters; }
    Loop& loop() noexcept { return run_.loop; }

    Run& run_;

private:
    struct Retry {
        std::uint64_t due;
        Client* client;
    };
    void begin_some();
    Client* next();
    void end_late_ones();

    std::vector<std::unique_ptr<Client>> clients_;
    Manner manner_{};
    std::size_t next_ = 0, last_ = 0;
    std::uint32_t under_way_ = 0, came_in_ = 0;
    std::uint64_t began_at_ = 0, looked_at_ = 0;
    std::deque<Retry> retries_;
};

}   // namespace bench
