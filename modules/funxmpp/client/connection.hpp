// A TCP connection to a server, with or without TLS.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

namespace tambo::funxmpp {

/// Where a server is, and what proves that it is the one.
struct Target {
    std::string host;
    std::uint16_t port = 0;
    bool begins_with_tls = true;   ///< from the first byte; otherwise start_tls() may follow
    std::string name;              ///< what the certificate has to say: the domain of the account
    std::string ca_file;           ///< PEM; empty: those of the system
    bool is_unchecked = false;     ///< takes any certificate
};

/// One attempt. Its events come on the thread of the io_context, never from within a call, and none after close().
/// Reading goes on only while what came is taken; what waits to be sent is bounded.
class Connection {
public:
    struct Events {
        std::function<void()> opened;   ///< also after start_tls()
        std::function<void(std::string_view)> came;
        std::function<void(const std::string& why)> lost;
    };
    static constexpr std::size_t most_unsent_bytes = std::size_t{32} << 20;

    Connection(boost::asio::io_context& context, Target target, Events events);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void open();
    void start_tls();
    void send(std::string_view bytes);
    void close() noexcept;

    bool is_encrypted() const noexcept;
    std::string tls_version() const;
    /// RFC 9266; empty without TLS 1.3.
    std::string tls_exporter() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;   // shared with the operations under way, which outlive close()
};

}   // namespace tambo::funxmpp
