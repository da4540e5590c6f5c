#include "net/listener.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>

#include "net/listening.hpp"
#include "net/socket.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

using boost::asio::ip::tcp;

constexpr Duration pause_when_exhausted{100};   // out of descriptors: trying again at once would only burn the CPU
constexpr int at_once = 64;                     // of those who come

// A socket that listens hands its options to those that it accepts: Linux copies it for them. All are set, since the
// socket may be a parent's, which an earlier configuration has used.
void tune(int socket, const LimitSettings& limits) {
    const auto set = [socket](int level, int name, int value) {
        ::setsockopt(socket, level, name, &value, sizeof value);
    };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    const auto idle = std::chrono::ceil<std::chrono::seconds>(limits.keepalive).count();
    set(SOL_SOCKET, SO_KEEPALIVE, idle > 0 ? 1 : 0);
    if (idle > 0) set(IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(idle));
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::max(limits.send_timeout, Duration{0}).count()));
}

std::string text_of(const sockaddr& peer) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes =
        peer.sa_family == AF_INET6
            ? static_cast<const void*>(
                  &reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr)   // NOLINT: the socket API's cast
            : &reinterpret_cast<const sockaddr_in&>(peer).sin_addr;         // NOLINT: likewise
    if (::inet_ntop(peer.sa_family, bytes, text.data(), text.size()) == nullptr) return {};
    std::string address{text.data()};
    if (address.starts_with("::ffff:")) address.erase(0, 7);
    return address;
}

}   // namespace

Listener::Listener(Kernel& kernel, const ListenerSettings& settings, const std::vector<int>& ready)
    : kernel_(kernel), port_(settings.port), pause_(kernel.shards.front()->io) {
    Entrance entrance;
    entrance.name = settings.name;
    entrance.direct_tls = settings.kind == ListenerSettings::Kind::tls;
    entrance.may_begin_tls = settings.kind == ListenerSettings::Kind::any;
    entrance.plaintext_auth = settings.plaintext_auth;
    entrance_ = std::make_shared<const Entrance>(std::move(entrance));
    auto& io = kernel.shards.front()->io;
    const auto whose = fmt::format("[listener {}]", settings.name);
    for (const int descriptor : ready) add(take_over(io, descriptor, whose));
    if (ready.empty()) add(listen_on(io, settings.address, settings.port, whose));
}

void Listener::add(tcp::acceptor acceptor) {
    acceptor.native_non_blocking(true);
    port_ = acceptor.local_endpoint().port();
    tune(acceptor.native_handle(), kernel_.settings.limits);
    doors_.push_back(std::make_unique<Door>(Door{std::move(acceptor)}));
}

void Listener::start() {
    for (auto& door : doors_) wait(*door);
}

void Listener::stop() {
    boost::system::error_code ignored;
    for (auto& door : doors_) door->acceptor.close(ignored);
    pause_.cancel();
}

void Listener::wait(Door& door) {
    door.acceptor.async_wait(tcp::acceptor::wait_read,
                             [self = shared_from_this(), &door](boost::system::error_code ec) {
                                 if (!ec && door.acceptor.is_open()) self->accept(door);
                             });
}

// Several at once, since after a cut everybody comes at once; others get their turn in between.
void Listener::accept(Door& door) {
    for (int i = 0; i < at_once; ++i) {
        sockaddr_storage peer{};
        socklen_t length = sizeof peer;
        auto* name = reinterpret_cast<sockaddr*>(&peer);   // NOLINT: the socket API's cast
        const int descriptor = ::accept4(door.acceptor.native_handle(), name, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            welcome(descriptor, *name);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return pause(door);
        if (errno == EAGAIN) break;   // anything else is about one client, who has gone (accept(2))
    }
    wait(door);
}

void Listener::pause(Door& door) {
    kernel_.log->warning("listener {}: no descriptors left; new clients wait (raise LimitNOFILE)", name());
    pause_.expires_after(pause_when_exhausted);
    pause_.async_wait([self = shared_from_this(), &door](boost::system::error_code stopped) {
        if (!stopped) self->accept(door);
    });
}

void Listener::welcome(int descriptor, const sockaddr& peer) {
    auto transport = std::make_unique<SocketTransport>(descriptor);
    auto& shard = *kernel_.shards[next_++ % kernel_.shards.size()];
    auto address = text_of(peer);
    if (address.empty() || !kernel_.gate.admit(Origin::parse(address), shard.steady())) return;
    auto connection = std::make_shared<Connection>(shard, std::move(transport), entrance_, std::move(address));
    shard.post([connection] { connection->open(); });
}

}   // namespace tambo
