#include "net/socket.hpp"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shard/shard.hpp"

namespace tambo {

SocketTransport::~SocketTransport() {
    if (watched_ != 0) poller().forget(descriptor_);
    ::close(descriptor_);
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

void SocketTransport::wait_readable(std::shared_ptr<Connection>) { want(EPOLLIN); }

void SocketTransport::wait_writable(std::shared_ptr<Connection>) { want(EPOLLOUT); }

Poller& SocketTransport::poller() const noexcept { return connection_->shard().poller; }

void SocketTransport::want(std::uint32_t event) {
    wanted_ |= event;
    if ((wanted_ & ~watched_) == 0) return;   // who goes on reading was never taken out
    if (poller().watch(descriptor_, *this, wanted_, watched_)) {
        watched_ = wanted_;
        return;
    }
    auto& shard = connection_->shard();
    shard.kernel.log->warning(
        "a connection is closed: the system cannot watch more sockets (fs.epoll.max_user_watches)");
    shard.post([connection = connection_->shared_from_this()] { connection->drop(); });
}

void SocketTransport::ready(std::uint32_t events) {
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) events |= EPOLLIN | EPOLLOUT;
    const auto now = events & wanted_;
    if (now == 0) {
        if (poller().watch(descriptor_, *this, wanted_, watched_)) watched_ = wanted_;
        return;
    }
    const auto connection = connection_->shared_from_this();   // which may drop us
    // Output first: who does not take what it asked for is not read from either.
    const bool is_output = (now & EPOLLOUT) != 0;
    wanted_ &= ~(is_output ? std::uint32_t{EPOLLOUT} : std::uint32_t{EPOLLIN});
    connection->shard().turn([&] { is_output ? connection->writable() : connection->readable(); });
}

void SocketTransport::end_output() noexcept { ::shutdown(descriptor_, SHUT_WR); }

void SocketTransport::leave() {
    if (watched_ != 0) poller().watch(descriptor_, *this, 0, watched_);
    wanted_ = watched_ = 0;
}

void SocketTransport::enter(Connection& connection) { connection_ = &connection; }

}   // namespace tambo
