#include "net/socket.hpp"

#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>

#include "shard/shard.hpp"

namespace tambo {

SocketTransport::SocketTransport(Socket socket) : socket_(std::move(socket)), descriptor_(socket_->native_handle()) {}

SocketTransport::~SocketTransport() {
    if (!socket_) ::close(descriptor_);
}

Transport::Outcome SocketTransport::read(std::span<char> into) {
    const auto n = ::recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT);
    if (n > 0) return {State::some, static_cast<std::size_t>(n)};
    return {n < 0 && (errno == EAGAIN || errno == EINTR) ? State::nothing : State::end};
}

Transport::Outcome SocketTransport::write(std::string_view bytes) {
    const auto n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) return {State::some, static_cast<std::size_t>(n)};
    return {n < 0 && (errno == EAGAIN || errno == EINTR) ? State::nothing : State::end};
}

void SocketTransport::wait_readable(std::shared_ptr<Connection> connection) {
    socket_->async_wait(Socket::wait_read, [c = std::move(connection)](boost::system::error_code ec) {
        if (ec != boost::asio::error::operation_aborted) c->shard().turn([&] { c->readable(); });
    });
}

void SocketTransport::wait_writable(std::shared_ptr<Connection> connection) {
    socket_->async_wait(Socket::wait_write, [c = std::move(connection)](boost::system::error_code ec) {
        if (ec != boost::asio::error::operation_aborted) c->shard().turn([&] { c->writable(); });
    });
}

void SocketTransport::end_output() noexcept { ::shutdown(descriptor_, SHUT_WR); }

void SocketTransport::leave() {
    socket_->release();
    socket_.reset();
}

void SocketTransport::enter(Connection& connection) {
    if (socket_) return;   // the first time: it was made here
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&name), &length);   // NOLINT: the socket API's cast
    socket_.emplace(connection.shard().io, boost::asio::generic::stream_protocol{name.ss_family, 0}, descriptor_);
}

}   // namespace tambo
