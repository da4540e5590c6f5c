// What a connection reads from and writes to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace tambo {

class Connection;
class Shard;

/// Bytes in, bytes out, never blocking: a socket, or a pipe to somebody in this process. Belongs to its connection and
/// lives on that one's shard. The destructor closes it.
class Transport {
public:
    enum class State : std::uint8_t { some, nothing, end };   ///< `end`: the peer is gone, or will take no more
    struct Outcome {
        State state = State::end;
        std::size_t bytes = 0;   ///< `some`: how many
    };

    virtual ~Transport() = default;
    virtual Outcome read(std::span<char> into) = 0;
    virtual Outcome write(std::string_view bytes) = 0;   ///< part of it, perhaps
    /// Calls readable() or writable() once, in a turn of the connection's shard, never before this returns. Not at all
    /// if the transport is closed meanwhile.
    virtual void wait_readable(std::shared_ptr<Connection> connection) = 0;
    virtual void wait_writable(std::shared_ptr<Connection> connection) = 0;
    virtual void end_output() noexcept = 0;           ///< the peer reads what is there, then the end
    virtual int descriptor() const noexcept = 0;      ///< for TLS; -1 if there is none
    virtual void leave() = 0;                         ///< it moves: nothing waits for it on this shard any more …
    virtual void enter(Connection& connection) = 0;   ///< … and here it is again, on connection.shard()

    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;

protected:
    Transport() = default;
};

}   // namespace tambo
