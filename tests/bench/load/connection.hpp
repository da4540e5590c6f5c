// A TCP connection, perhaps with TLS, of either end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

#include "loop.hpp"

namespace bench {

using TlsContext = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
/// TLS 1.3 with one group and one suite, and the server's certificate isn't looked at: keeps the client's own cost
/// down.
TlsContext client_tls();
/// With a certificate of its own making.
TlsContext server_tls();

/// Stays where it is: the loop knows its address until the process ends.
class Connection {
public:
    enum class Loss : std::uint8_t { no_connection, reset, no_tls };

    explicit Connection(Loop& loop) noexcept : loop_(&loop) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    virtual ~Connection();

    bool is_open() const noexcept { return fd_ >= 0; }
    void put(std::string_view bytes);
    void flush();
    /// At once, and nobody is told.
    void close() noexcept;

protected:
    Loop& loop() noexcept { return *loop_; }
    void connect(const sockaddr_in& from, const sockaddr_in& to);
    void adopt(int fd);
    /// The next bytes are TLS; the handshake begins when came() has returned.
    void start_tls(SSL_CTX& context, bool as_server, const char* name);
    bool is_secure() const noexcept { return state_ == State::open && tls_ != nullptr; }

    virtual void connected() {}
    virtual void secured() {}
    /// Whole things of what came, from its front; says how many bytes those were.
    virtual std::size_t came(std::string_view bytes) = 0;
    virtual void lost(Loss why) = 0;   ///< it is closed already

    virtual void handle(std::uint32_t events);

private:
    friend class Loop;
    enum class State : std::uint8_t { closed, connecting, handshaking, open };

    void is_connected();
    void shake_hands();
    void read();
    std::ptrdiff_t read_some(char* to, std::size_t room, bool& is_all);
    std::ptrdiff_t read_tls(char* to, std::size_t room, bool& is_all);
    std::ptrdiff_t write_some(std::string_view bytes);
    void want_to_write(bool wants);
    void lose(Loss why);

    Loop* loop_;
    SSL* tls_ = nullptr;
    std::string kept_, unsent_;   // the front of something; what the socket didn't take
    int fd_ = -1;
    State state_ = State::closed;
    bool is_dirty_ = false, wants_to_write_ = false;
};

/// A listening socket on that address.
int listen_on(const sockaddr_in& address);

}   // namespace bench
