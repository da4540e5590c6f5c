#include "net/listener.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/listening.hpp"
#include "net/socket.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

using boost::asio::ip::tcp;

constexpr Duration pause_when_exhausted{100};   // out of descriptors: trying again at once would only burn the CPU

void tune(tcp::socket& socket, const LimitSettings& limits) {
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay{true}, ignored);
    if (limits.keepalive.count() > 0) {
        socket.set_option(boost::asio::socket_base::keep_alive{true}, ignored);
        const int seconds = static_cast<int>(std::chrono::ceil<std::chrono::seconds>(limits.keepalive).count());
        ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
    }
    if (limits.send_timeout.count() > 0) {
        const auto patience = static_cast<unsigned>(limits.send_timeout.count());
        ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
    }
}

}   // namespace

Listener::Listener(Kernel& kernel, const ListenerSettings& settings, const std::vector<int>& ready)
    : kernel_(kernel), port_(settings.port), pause_(kernel.shards.front()->io) {
    entrance_.name = settings.name;
    entrance_.direct_tls = settings.kind == ListenerSettings::Kind::tls;
    entrance_.may_begin_tls = settings.kind == ListenerSettings::Kind::any;
    entrance_.plaintext_auth = settings.plaintext_auth;
    auto& io = kernel.shards.front()->io;
    const auto whose = fmt::format("[listener {}]", settings.name);
    for (const int descriptor : ready) add(take_over(io, descriptor, whose));
    if (ready.empty()) add(listen_on(io, settings.address, settings.port, whose));
}

void Listener::add(tcp::acceptor acceptor) {
    port_ = acceptor.local_endpoint().port();
    doors_.push_back(std::make_unique<Door>(Door{std::move(acceptor)}));
}

void Listener::start() {
    for (auto& door : doors_) accept(*door);
}

void Listener::stop() {
    boost::system::error_code ignored;
    for (auto& door : doors_) door->acceptor.close(ignored);
    pause_.cancel();
}

void Listener::accept(Door& door) {
    auto& shard = *kernel_.shards[next_++ % kernel_.shards.size()];
    door.acceptor.async_accept(
        shard.io, [self = shared_from_this(), &door, &shard](boost::system::error_code ec, tcp::socket socket) {
            if (!door.acceptor.is_open()) return;
            if (!ec) self->welcome(shard, std::move(socket));
            if (ec == boost::system::errc::too_many_files_open ||
                ec == boost::system::errc::too_many_files_open_in_system) {
                self->kernel_.log->warning("listener {}: no descriptors left; new clients wait (raise LimitNOFILE)",
                                           self->name());
                self->pause_.expires_after(pause_when_exhausted);
                return self->pause_.async_wait([self, &door](boost::system::error_code stopped) {
                    if (!stopped) self->accept(door);
                });
            }
            self->accept(door);
        });
}

void Listener::welcome(Shard& shard, tcp::socket socket) {
    boost::system::error_code ec;
    const auto peer = socket.remote_endpoint(ec);
    if (ec) return;
    auto address = peer.address().to_string();
    if (address.starts_with("::ffff:")) address.erase(0, 7);
    if (!kernel_.gate.admit(Origin::parse(address), shard.steady())) return;
    tune(socket, kernel_.settings.limits);
    auto transport = std::make_unique<SocketTransport>(SocketTransport::Socket{std::move(socket)});
    auto connection = std::make_shared<Connection>(shard, std::move(transport), entrance_, std::move(address));
    shard.post([connection] { connection->open(); });
}

}   // namespace tambo
