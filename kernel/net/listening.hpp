// Sockets that listen: opened, or taken over from who opened them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace tambo {

/// Listens on an IP address, or on "*": both families in one socket, or IPv4 alone where there is no IPv6. Throws
/// std::runtime_error with a sentence that begins with `whose`, such as "[listener c2s]".
boost::asio::ip::tcp::acceptor listen_on(boost::asio::io_context& io, const std::string& address, std::uint16_t port,
                                         std::string_view whose);

/// Owns `descriptor` from now on; throws the same way unless it is a TCP socket that listens.
boost::asio::ip::tcp::acceptor take_over(boost::asio::io_context& io, int descriptor, std::string_view whose);

}   // namespace tambo
