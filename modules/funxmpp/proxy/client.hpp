// The connection of one local client.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "local_stream.hpp"

namespace tambo::funxmpp {

/// Events come from the io_context, never from within a call, and none after `left`. Who does not log in in time is
/// dropped, and so is who takes nothing of what waits for it.
class Client : public std::enable_shared_from_this<Client> {
public:
    struct Events {
        std::function<void(Client&)> bound;
        std::function<void(Client&, Element stanza, const std::string& xml)> said;
        std::function<void(Client&, std::uint32_t stanzas)> took;
        std::function<void(Client&)> left;
    };
    static constexpr std::size_t most_unsent_bytes = std::size_t{16} << 20;

    Client(boost::asio::ip::tcp::socket socket, const Credentials& account, Events events);
    void start();
    const std::string& resource() const noexcept { return stream_.resource(); }
    bool is_bound() const noexcept { return stream_.is_bound(); }

    /// `stanzas`: how many of those that the server counts are in it.
    void send(std::string_view xml, std::uint32_t stanzas);
    void close(std::string_view condition, std::string_view text);

private:
    void read();
    void came(std::size_t count);
    void write();
    void leave();
    void leave_when_written();

    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer deadline_;
    LocalStream stream_;
    const Events events_;
    std::array<char, 16384> input_;
    std::string waiting_, under_way_;
    std::uint32_t waiting_stanzas_ = 0, stanzas_under_way_ = 0;
    bool is_ending_ = false, has_left_ = false;
};

}   // namespace tambo::funxmpp
