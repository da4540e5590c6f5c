// All clients of the load test, on a thread of their own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "talker.hpp"
#include "tambod.hpp"
#include "visitor.hpp"

namespace load {

struct CrowdSize {
    std::size_t pairs = 100, absent = 10, visitors = 16, window = 4, funxmpp_percent = 30;
    std::chrono::milliseconds pause{50};
};

class Crowd {
public:
    /// Makes their accounts.
    Crowd(Tambod& server, const CrowdSize& size, unsigned seed);

    void run();   ///< until all have ended, or those who hang are given up
    // --- from another thread
    void await_everybody() const;   ///< all are logged in. Throws std::runtime_error if that does not come about
    void await_talk(std::uint64_t messages_of_each) const;   ///< so many more came, on the average. Likewise
    void expect_reloads() noexcept { world_.is_reloading = true; }
    void end() noexcept { world_.is_ending = true; }
    bool is_hopeless() const noexcept { return world_.ledger.dropped > 100; }
    const Ledger& ledger() const noexcept { return ledger_; }

private:
    void invite(const CrowdSize& size, unsigned seed);
    void add_pair(const std::string& first, const std::string& second, const std::string& resource,
                  const TalkerHabits& habits, bool second_goes_away, unsigned seed);
    template <class Count>
    void await(const Count& count, std::uint64_t wanted, std::string_view what) const;
    void round();
    bool is_over();

    Tambod& server_;
    Ledger ledger_;
    Loop loop_;
    World world_;
    std::vector<std::unique_ptr<Talker>> talkers_;
    std::vector<std::unique_ptr<Visitor>> visitors_;
    std::atomic<std::size_t> ready_{0};
    Clock::time_point give_up_{};
};

}   // namespace load
