// Numbered messages in one direction: what was sent, and whether it came once and in order.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "ledger.hpp"

namespace load {

class Numbers {
public:
    Numbers(Ledger& ledger, std::string direction) : ledger_(ledger), direction_(std::move(direction)) {}

    std::uint64_t next() noexcept { return ++sent_; }
    std::uint64_t sent() const noexcept { return sent_; }
    std::uint64_t arrived() const noexcept { return arrived_; }

    void arrive(std::uint64_t number) {
        ++arrived_;
        if (number == expected_) {
            ++expected_;
            return;
        }
        const auto text = direction_ + ": " + std::to_string(number) + " instead of " + std::to_string(expected_);
        if (number > expected_) {
            for (; expected_ < number; ++expected_) missing_.insert(expected_);
            ++expected_;
        } else if (missing_.erase(number) != 0) {
            ledger_.complain(ledger_.out_of_order, text + ": out of order");
        } else {
            --arrived_;
            ledger_.complain(ledger_.repeated, text + ": repeated");
        }
    }

    /// At the end: what has not come will not.
    void close() {
        if (sent_ == arrived_) return;
        ledger_.complain(ledger_.lost,
                         direction_ + ": " + std::to_string(sent_) + " sent, " + std::to_string(arrived_) +
                             " arrived, the next would have been " + std::to_string(expected_),
                         sent_ > arrived_ ? sent_ - arrived_ : 1);   // more than were sent: somebody else's
    }

private:
    Ledger& ledger_;
    std::string direction_;
    std::uint64_t sent_ = 0, arrived_ = 0, expected_ = 1;
    std::set<std::uint64_t> missing_;
};

}   // namespace load
