#include "net/listening.hpp"

#include <fcntl.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/v6_only.hpp>
#include <fmt/format.h>

#include "server/options.hpp"

namespace tambo {

namespace {

using boost::asio::ip::tcp;

constexpr int backlog = 4096;

tcp::acceptor listen_at(boost::asio::io_context& io, const tcp::endpoint& endpoint) {
    tcp::acceptor acceptor{io};
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address{true});
    if (endpoint.address().is_v6() && endpoint.address().is_unspecified())
        acceptor.set_option(boost::asio::ip::v6_only{false});
    acceptor.bind(endpoint);
    acceptor.listen(backlog);
    return acceptor;
}

tcp::acceptor listen_everywhere(boost::asio::io_context& io, std::uint16_t port) {
    try {
        return listen_at(io, {tcp::v6(), port});
    } catch (const boost::system::system_error&) {
        return listen_at(io, {tcp::v4(), port});
    }
}

bool is_http(const Endpoint& endpoint) { return endpoint.listener == http_listener; }

}   // namespace

tcp::acceptor listen_on(boost::asio::io_context& io, const std::string& address, std::uint16_t port,
                        std::string_view whose) {
    try {
        if (address == "*") return listen_everywhere(io, port);
        return listen_at(io, {boost::asio::ip::make_address(address), port});
    } catch (const boost::system::system_error& e) {
        throw std::runtime_error(fmt::format("{} cannot listen on {} port {}: {}; is another server running there?",
                                             whose, address, port, e.code().message()));
    }
}

tcp::acceptor take_over(boost::asio::io_context& io, int descriptor, std::string_view whose) {
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    const bool has_name = ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &length) == 0;   // NOLINT: API
    int listens = 0;
    socklen_t size = sizeof listens;
    ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    if (!has_name || listens == 0 || (name.ss_family != AF_INET && name.ss_family != AF_INET6)) {
        ::close(descriptor);
        throw std::runtime_error(
            fmt::format("{} was given descriptor {}, which is no TCP socket that listens", whose, descriptor));
    }
    return {io, name.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), descriptor};
}

// --- for a parent that holds the sockets (server.hpp)

// A [listener http] has the name first, as in Server::port(): [http] then opens its own socket.
std::vector<Endpoint> endpoints(const Config& config) {
    std::vector<OptionInfo> ignored;
    const auto settings = read_settings(config, ignored);
    std::vector<Endpoint> all;
    all.reserve(settings.listeners.size() + 1);
    for (const auto& l : settings.listeners) all.push_back({l.name, l.address, l.port});
    if (!settings.http.address.empty() && config.find("listener http") == nullptr)
        all.push_back({std::string{http_listener}, settings.http.address, settings.http.port});
    return all;
}

Server::Socket open_socket(const Endpoint& endpoint) {
    boost::asio::io_context io;
    auto acceptor = listen_on(io, endpoint.address, endpoint.port,
                              is_http(endpoint) ? "[http]" : fmt::format("[listener {}]", endpoint.listener));
    const int descriptor = acceptor.release();
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    return {endpoint.listener, descriptor};
}

}   // namespace tambo
