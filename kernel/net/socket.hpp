// A connection's socket.
#pragma once

#include <cstdint>
#include <memory>

#include "net/poller.hpp"
#include "net/transport.hpp"

namespace tambo {

/// Owns a connected socket that does not block.
class SocketTransport final : public Transport, private Poller::Watched {
public:
    explicit SocketTransport(int descriptor) noexcept : descriptor_(descriptor) {}
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
    void ready(std::uint32_t events) override;
    void poller_is_gone() noexcept override { watched_ = 0; }
    void want(std::uint32_t event);
    Poller& poller() const noexcept;   // of its shard

    Connection* connection_ = nullptr;   // the owner
    const int descriptor_;
    std::uint32_t wanted_ = 0, watched_ = 0;   // what it waits for, and what the poller looks for: rather too much
};

}   // namespace tambo
