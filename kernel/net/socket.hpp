// A connection's socket.
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/generic/stream_protocol.hpp>

#include "net/transport.hpp"

namespace tambo {

/// Reads and writes the descriptor itself; Asio only tells when it is ready.
class SocketTransport final : public Transport {
public:
    using Socket = boost::asio::generic::stream_protocol::socket;

    explicit SocketTransport(Socket socket);
    ~SocketTransport() override;

    Outcome read(std::span<char> into) override;
    Outcome write(std::string_view bytes) override;
    void wait_readable(std::shared_ptr<Connection> connection) override;
    void wait_writable(std::shared_ptr<Connection> connection) override;
    void end_output() noexcept override;
    int descriptor() const noexcept override { return descriptor_; }
    void leave() override;
    void enter(Connection& connection) override;

private:
    std::optional<Socket> socket_;   // gone while it moves
    int descriptor_;
};

}   // namespace tambo
