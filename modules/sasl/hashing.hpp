// Whose password is checked next: a bounded queue for each shard.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include <tambo/option.hpp>
#include <tambo/task.hpp>

namespace tambo::sasl {

/// Checking a password takes a worker thread some milliseconds. When everybody comes at once, a few are at it and the
/// rest waits here: the oldest first, though who comes back to a session that waits counts as having come earlier. When
/// there is no room, who would go last is told to come again. Who goes away while waiting costs nothing.
///
/// `Hashing::Turn turn{hashing, due}; if (!co_await turn.begun()) …; check; ~Turn`. One thread.
class Hashing {
public:
    struct Limits {
        std::size_t at_once = 1;
        std::size_t waiting = 1;
    };
    /// `defer` runs a closure on this thread, later.
    using Defer = std::function<void(std::function<void()>)>;
    /// Hears how many wait, whenever that changes.
    using Count = std::function<void(std::size_t waiting)>;

    Hashing(Limits limits, Defer defer, Count count)
        : limits_(limits), defer_(std::move(defer)), count_(std::move(count)) {}

    class Turn {
    public:
        Turn(Hashing& hashing, Duration due) : hashing_(hashing), place_{due, ++hashing.last_number_} {
            hashing_.join(*this);
        }
        ~Turn() { hashing_.leave(*this); }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

        /// True when it is this one's turn, false if it was turned away. To be asked for once.
        Later<bool> begun() noexcept { return std::move(begun_); }

    private:
        friend Hashing;
        struct Place {
            Duration due;
            std::uint64_t number;
            auto operator<=>(const Place&) const = default;
        };
        Hashing& hashing_;
        const Place place_;
        bool is_running_ = false;
        Later<bool> begun_;
        std::shared_ptr<Later<bool>::State> state_ = begun_.state();   // shared with what is deferred
    };

    std::size_t waiting() const noexcept { return queue_.size(); }
    std::size_t running() const noexcept { return running_; }

private:
    void join(Turn& turn) {
        queue_.emplace(turn.place_, &turn);
        go_on();
        if (queue_.size() > limits_.waiting) turn_away_last();
        count_(queue_.size());
    }

    void leave(const Turn& turn) {
        queue_.erase(turn.place_);
        if (turn.is_running_) --running_;
        go_on();
        count_(queue_.size());
    }

    void go_on() {
        while (running_ < limits_.at_once && !queue_.empty()) {
            Turn& next = *queue_.begin()->second;
            queue_.erase(queue_.begin());
            next.is_running_ = true;
            ++running_;
            tell(next, true);
        }
    }

    void turn_away_last() {
        const auto last = std::prev(queue_.end());
        Turn& unlucky = *last->second;
        queue_.erase(last);
        tell(unlucky, false);
    }

    // Later, since this may run while a coroutine is being made or destroyed.
    void tell(const Turn& turn, bool is_its_turn) const {
        defer_([state = turn.state_, is_its_turn] { state->complete(is_its_turn); });
    }

    const Limits limits_;
    const Defer defer_;
    const Count count_;
    std::map<Turn::Place, Turn*> queue_;
    std::size_t running_ = 0;
    std::uint64_t last_number_ = 0;
};

}   // namespace tambo::sasl
