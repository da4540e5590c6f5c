// Whose TLS handshake comes next: a bounded queue for each shard.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>

#include <tambo/metric.hpp>
#include <tambo/option.hpp>

namespace tambo {

class Connection;
class Shard;

/// A handshake costs the shard as much as a hundred stanzas. So a few of them are done in a row, then everything else
/// that is ready gets its turn: those who are in, and the rest of the way of those who are almost in. Whoever waits
/// costs a line in here and a descriptor; what it said stays in the socket.
///
/// The oldest deadline goes first, which is the connection's age: negotiation_time is the same for all. Who comes back
/// with a ticket counts as having come `head_start` earlier; so nobody waits for ever. When there is no room, who would
/// go last is turned away.
///
/// Belongs to its shard, and is used on its thread.
class Admission {
public:
    struct Limits {
        std::size_t in_a_row = 4;
        std::size_t waiting = 10'000;
        Duration head_start = std::chrono::seconds{10};
    };
    /// A place in the queue. Connections keep theirs; an empty one is none.
    struct Place {
        Duration due{};
        std::uint64_t number = 0;
        explicit operator bool() const noexcept { return number != 0; }
        auto operator<=>(const Place&) const = default;
    };

    explicit Admission(Shard& shard);

    /// `came`: steady time. The connection is told by admitted() or, there and then, by drop().
    void wait(Connection& connection, Duration came, bool resumes);
    void leave(Place place);   ///< it is gone, before its turn
    std::size_t waiting() const noexcept { return queue_.size(); }

private:
    struct Guest {
        Connection* connection;
        Duration since;
        bool resumes;
    };
    using Queue = std::map<Place, Guest>;

    void schedule();
    void work();
    Guest take(Queue::iterator at);
    void turn_away_last();

    Shard& shard_;
    const Limits limits_;
    Queue queue_;
    std::uint64_t last_number_ = 0;
    bool is_scheduled_ = false;
    Gauge& waiting_;
    Counter &admitted_, &resumed_, &refused_, &gave_up_;
};

}   // namespace tambo
