// Doors: where clients come in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/connection.hpp"
#include "server/options.hpp"

namespace tambo {

struct Kernel;

/// Accepts for all shards in turn; works on the first one. A connection that is one too many for its address or for the
/// server is closed at once.
class Listener : public std::enable_shared_from_this<Listener> {
public:
    /// Binds, or takes over `ready` sockets that listen already. Throws std::runtime_error with a sentence naming
    /// listener and address.
    Listener(Kernel& kernel, const ListenerSettings& settings, const std::vector<int>& ready = {});
    void start();
    void stop();   ///< on the first shard
    const std::string& name() const noexcept { return entrance_->name; }
    std::uint16_t port() const noexcept { return port_; }

private:
    struct Door {
        boost::asio::ip::tcp::acceptor acceptor;
    };
    void add(boost::asio::ip::tcp::acceptor acceptor);
    void wait(Door& door);
    void accept(Door& door);
    void pause(Door& door);
    void welcome(int descriptor, const sockaddr& peer);

    Kernel& kernel_;
    std::shared_ptr<const Entrance> entrance_;   // shared with the connections
    std::uint16_t port_;
    std::vector<std::unique_ptr<Door>> doors_;
    boost::asio::steady_timer pause_;
    std::size_t next_ = 0;
};

}   // namespace tambo
