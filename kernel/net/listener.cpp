#include "net/listener.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/v6_only.hpp>

#include "net/socket.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

using boost::asio::ip::tcp;

constexpr int backlog = 4096;
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
    entrance_.plaintext_auth = settings.plaintext_auth;
    for (const int descriptor : ready) take_over(descriptor);
    if (ready.empty()) open(settings);
}

void Listener::open(const ListenerSettings& settings) {
    try {
        if (settings.address != "*") {
            open({boost::asio::ip::make_address(settings.address), port_});
        } else {
            try {
                open({tcp::v6(), port_});   // both families in one, unless the machine has no IPv6
            } catch (const boost::system::system_error&) {
                doors_.clear();
                open({tcp::v4(), port_});
            }
        }
    } catch (const boost::system::system_error& e) {
        throw std::runtime_error(
            fmt::format("[listener {}] cannot listen on {} port {}: {}; is another server running there?",
                        settings.name, settings.address, settings.port, e.code().message()));
    }
}

void Listener::open(const tcp::endpoint& endpoint) {
    tcp::acceptor acceptor{kernel_.shards.front()->io};
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address{true});
    if (endpoint.address().is_v6() && endpoint.address().is_unspecified())
        acceptor.set_option(boost::asio::ip::v6_only{false});
    acceptor.bind(endpoint);
    acceptor.listen(backlog);
    add(std::move(acceptor));
}

void Listener::take_over(int descriptor) {
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    const bool has_name = ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &length) == 0;   // NOLINT: API
    int listens = 0;
    socklen_t size = sizeof listens;
    ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    if (!has_name || listens == 0 || (name.ss_family != AF_INET && name.ss_family != AF_INET6)) {
        ::close(descriptor);
        throw std::runtime_error(fmt::format(
            "[listener {}] was given descriptor {}, which is no TCP socket that listens", entrance_.name, descriptor));
    }
    add({kernel_.shards.front()->io, name.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), descriptor});
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
