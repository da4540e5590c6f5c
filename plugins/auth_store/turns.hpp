// One at a time for each account: what looks first and writes then must not meet itself in between.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>

#include <tambo/jid.hpp>
#include <tambo/task.hpp>

namespace auth_store {

/// `Turns::Turn turn{turns_, jid}; co_await turn.begun(); …` Turns begin in the order in which they were made; the next
/// one begins when this one is destroyed, at whatever point. One thread.
class Turns {
public:
    using Defer = std::function<void(std::function<void()>)>;

    /// `defer` runs a closure on this thread, later.
    explicit Turns(Defer defer) : defer_(std::move(defer)) {}

    class Turn {
    public:
        Turn(Turns& turns, tambo::Jid who) : turns_(turns), who_(std::move(who)) {
            auto& queue = turns_.queues_[who_];
            queue.push_back(this);
            if (queue.size() == 1) state_->complete({});
        }
        ~Turn() { turns_.leave(*this); }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

        /// Done when it is this one's turn. To be asked for once.
        tambo::Later<tambo::Nothing> begun() noexcept { return std::move(begun_); }

    private:
        friend Turns;
        Turns& turns_;
        tambo::Jid who_;
        tambo::Later<tambo::Nothing> begun_;
        std::shared_ptr<tambo::Later<tambo::Nothing>::State> state_ = begun_.state();
    };

    std::size_t accounts() const noexcept { return queues_.size(); }   ///< that have a turn running

private:
    void leave(const Turn& turn) {
        const auto at = queues_.find(turn.who_);
        auto& queue = at->second;
        const bool was_running = queue.front() == &turn;
        queue.erase(std::ranges::find(queue, &turn));
        if (queue.empty()) {
            queues_.erase(at);
            return;
        }
        // Later, since this may run while a coroutine is being destroyed. The next turn may be gone by then: in that
        // case it was at the front, and has passed the turn on itself.
        if (was_running) defer_([next = queue.front()->state_] { next->complete({}); });
    }

    Defer defer_;
    std::unordered_map<tambo::Jid, std::deque<Turn*>> queues_;   // front: the one whose turn it is
};

}   // namespace auth_store
