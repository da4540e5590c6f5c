// A connection from the client's side: a pipe into the server of this process, or a socket.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <tambo/client.hpp>

namespace play {

/// Blocking. Whatever takes longer than the patience that the caller has is std::runtime_error.
class Wire {
public:
    virtual ~Wire() = default;
    /// What the server does not take any more is lost without a word: reading will tell.
    virtual void write(std::string_view bytes) = 0;
    virtual std::string read(std::chrono::milliseconds patience) = 0;   ///< something; empty at the end
    /// XEP-0138: the method that the client has to ask for after it logged in, if any; then compressed() is called.
    virtual std::string compression() const { return {}; }
    virtual void compressed() {}

protected:
    [[noreturn]] static void nothing_came(std::chrono::milliseconds patience) {
        throw std::runtime_error{"nothing came for " + std::to_string(patience.count()) + " ms"};
    }
};

class SocketWire final : public Wire {
public:
    explicit SocketWire(int fd) : fd_(fd) {}
    ~SocketWire() override { ::close(fd_); }
    SocketWire(const SocketWire&) = delete;
    SocketWire& operator=(const SocketWire&) = delete;
    int descriptor() const noexcept { return fd_; }

    void write(std::string_view bytes) override {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
            if (n < 0) throw std::runtime_error{std::string{"cannot write: "} + std::strerror(errno)};
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    std::string read(std::chrono::milliseconds patience) override {
        pollfd wait{fd_, POLLIN, 0};
        int ready = 0;
        do {
            ready = ::poll(&wait, 1, static_cast<int>(patience.count()));
        } while (ready < 0 && errno == EINTR);
        if (ready <= 0) nothing_came(patience);
        std::array<char, 16384> buffer{};
        const auto n = ::recv(fd_, buffer.data(), buffer.size(), 0);
        return {buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
    }

private:
    int fd_;
};

class PipeWire final : public Wire {
public:
    explicit PipeWire(tambo::Pipe pipe) : pipe_(std::move(pipe)) {}

    void write(std::string_view bytes) override {
        constexpr std::chrono::minutes patience{1};
        if (!pipe_.write_all(bytes, patience) && !pipe_.is_closed())
            throw std::runtime_error{"the server takes nothing any more"};
    }
    std::string read(std::chrono::milliseconds patience) override {
        if (!pipe_.wait(patience)) nothing_came(patience);
        return pipe_.read();
    }

private:
    tambo::Pipe pipe_;
};

}   // namespace play
