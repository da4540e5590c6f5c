#include "connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <openssl/err.h>

#include "process.hpp"

namespace bench {

namespace {

template <class Value>
void set(int fd, int level, int name, Value value) {
    setsockopt(fd, level, name, &value, sizeof value);
}

const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

}   // namespace

Connection::~Connection() { close(); }

void Connection::connect(const sockaddr_in& from, const sockaddr_in& to) {
    close();
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    state_ = State::connecting;
    if (fd_ < 0) return lose(Loss::no_connection);
    set(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    set(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
    if (bind(fd_, generic(from), sizeof from) != 0 ||
        (::connect(fd_, generic(to), sizeof to) != 0 && errno != EINPROGRESS))
        return lose(Loss::no_connection);
    wants_to_write_ = true;
    loop_->watch(*this, true, true);
}

void Connection::adopt(int fd) {
    fd_ = fd;
    state_ = State::open;
    set(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
    loop_->watch(*this, true, false);
}

void Connection::start_tls(SSL_CTX& context, bool as_server, const char* name) {
    flush();
    tls_ = SSL_new(&context);
    SSL_set_fd(tls_, fd_);
    if (as_server) {
        SSL_set_accept_state(tls_);
    } else {
        SSL_set_tlsext_host_name(tls_, name);
        SSL_set_connect_state(tls_);
    }
    state_ = State::handshaking;
}

void Connection::put(std::string_view bytes) {
    if (!is_open()) return;
    unsent_ += bytes;
    if (!is_dirty_) loop_->unflushed_.push_back(this);
    is_dirty_ = true;
}

void Connection::flush() {
    is_dirty_ = false;
    if (unsent_.empty() || state_ != State::open) return;
    std::size_t done = 0;
    while (done < unsent_.size()) {
        const auto count = write_some(std::string_view{unsent_}.substr(done));
        if (count < 0) return lose(Loss::reset);
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    if (done == unsent_.size())
        unsent_.clear();
    else
        unsent_.erase(0, done);
    want_to_write(!unsent_.empty());
}

std::ptrdiff_t Connection::write_some(std::string_view bytes) {
    if (tls_ == nullptr) {
        const auto count = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : count;
    }
    ERR_clear_error();
    const int count = SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()));
    if (count > 0) return count;
    const int error = SSL_get_error(tls_, count);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

void Connection::handle(std::uint32_t events) {
    if (!is_open()) return;
    if (state_ == State::connecting) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0) return lose(Loss::no_connection);
        if ((events & EPOLLOUT) != 0) is_connected();
        return;
    }
    if (state_ == State::handshaking) return shake_hands();
    if ((events & EPOLLOUT) != 0) flush();
    if (is_open() && (events & ~std::uint32_t{EPOLLOUT}) != 0) read();
}

void Connection::is_connected() {
    state_ = State::open;
    want_to_write(false);
    connected();
}

void Connection::shake_hands() {
    ERR_clear_error();
    const int result = SSL_do_handshake(tls_);
    if (result != 1) {
        const int error = SSL_get_error(tls_, result);
        if (error == SSL_ERROR_WANT_READ) return want_to_write(false);
        if (error == SSL_ERROR_WANT_WRITE) return want_to_write(true);
        return lose(Loss::no_tls);
    }
    state_ = State::open;
    want_to_write(false);
    secured();
    if (is_open() && SSL_has_pending(tls_) != 0) read();
}

void Connection::read() {
    bool is_all = false;
    while (!is_all) {
        auto& input = loop_->input_;
        const auto before = kept_.size();
        if (input.size() < before + Loop::largest_read) input.resize(before + Loop::largest_read);
        std::ranges::copy(kept_, input.begin());
        const auto count = read_some(input.data() + before, Loop::largest_read, is_all);
        if (count < 0) return lose(Loss::reset);
        if (count == 0) return;
        loop_->read_at_ = now_ns();
        const std::string_view bytes{input.data(), before + static_cast<std::size_t>(count)};
        const auto used = came(bytes);
        if (!is_open()) return;
        if (used < bytes.size() || !kept_.empty()) kept_.assign(bytes.substr(used));
        if (kept_.empty() && kept_.capacity() > std::string{}.capacity()) kept_ = {};   // an idle one holds no memory
        if (state_ == State::handshaking) return shake_hands();
    }
}

std::ptrdiff_t Connection::read_some(char* to, std::size_t room, bool& is_all) {
    if (tls_ != nullptr) return read_tls(to, room, is_all);
    const auto count = recv(fd_, to, room, 0);
    is_all = count < static_cast<std::ptrdiff_t>(room);
    if (count == 0) return -1;
    return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : count;
}

std::ptrdiff_t Connection::read_tls(char* to, std::size_t room, bool& is_all) {
    std::size_t got = 0;
    while (got < room) {
        ERR_clear_error();
        const int count = SSL_read(tls_, to + got, static_cast<int>(room - got));
        if (count > 0) {
            got += static_cast<std::size_t>(count);
            continue;
        }
        is_all = true;
        const int error = SSL_get_error(tls_, count);
        if (got == 0 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return -1;
        break;
    }
    return static_cast<std::ptrdiff_t>(got);
}

void Connection::want_to_write(bool wants) {
    if (wants != wants_to_write_) loop_->watch(*this, false, wants);
    wants_to_write_ = wants;
}

void Connection::lose(Loss why) {
    close();
    lost(why);
}

void Connection::close() noexcept {
    SSL_free(std::exchange(tls_, nullptr));
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    state_ = State::closed;
    wants_to_write_ = false;
    kept_ = {};
    unsent_ = {};
}

int listen_on(const sockaddr_in& address) {
    constexpr int backlog = 4096;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, generic(address), sizeof address) != 0 || listen(fd, backlog) != 0)
        throw std::runtime_error{std::string{"cannot listen: "} + std::strerror(errno)};
    return fd;
}

}   // namespace bench
