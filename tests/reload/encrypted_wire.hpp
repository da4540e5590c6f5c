// TLS from the client's side, with OpenSSL between two pieces of memory: we decide what travels together.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "wire.hpp"

namespace play {

/// Takes any certificate.
class EncryptedWire final : public Wire {
public:
    using Between = std::function<void(const std::string& where)>;

    /// Shakes hands; each flight leaves in two halves, and `between` is called between them.
    EncryptedWire(std::unique_ptr<Wire> below, std::chrono::milliseconds patience, const Between& between)
        : below_(std::move(below)), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
        ssl_ = {SSL_new(context_.get()), SSL_free};
        SSL_set_bio(ssl_.get(), from_server_, to_server_);   // owns both
        SSL_set_connect_state(ssl_.get());
        for (int r = 0; (r = SSL_do_handshake(ssl_.get())) != 1;) {
            if (SSL_get_error(ssl_.get(), r) != SSL_ERROR_WANT_READ) throw std::runtime_error{"no TLS: " + reason()};
            send_flight(between);
            if (!take_more(patience)) throw std::runtime_error{"the server left during the handshake"};
        }
        send_flight(between);
    }

    void write(std::string_view bytes) override {
        std::size_t written = 0;
        if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1 || written != bytes.size())
            throw std::runtime_error{"cannot encrypt: " + reason()};
        below_->write(pending());
    }

    std::string read(std::chrono::milliseconds patience) override {
        std::string bytes(16384, '\0');
        while (true) {
            std::size_t n = 0;
            const auto r = SSL_read_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
            if (r == 1) return bytes.substr(0, n);
            if (SSL_get_error(ssl_.get(), r) != SSL_ERROR_WANT_READ || !take_more(patience)) return {};
        }
    }

private:
    std::string pending() {
        std::string bytes(static_cast<std::size_t>(BIO_pending(to_server_)), '\0');
        if (!bytes.empty()) BIO_read(to_server_, bytes.data(), static_cast<int>(bytes.size()));
        return bytes;
    }
    void send_flight(const Between& between) {
        const auto flight = pending();
        if (flight.empty()) return;
        const auto half = flight.size() / 2;
        below_->write(std::string_view{flight}.substr(0, half));
        between("amid a flight of the TLS handshake");
        below_->write(std::string_view{flight}.substr(half));
        between("behind a flight of the TLS handshake");
    }
    bool take_more(std::chrono::milliseconds patience) {
        const auto bytes = below_->read(patience);
        if (!bytes.empty()) BIO_write(from_server_, bytes.data(), static_cast<int>(bytes.size()));
        return !bytes.empty();
    }
    static std::string reason() {
        const auto error = ERR_get_error();
        return error != 0 ? ERR_error_string(error, nullptr) : "OpenSSL does not say why";
    }

    std::unique_ptr<Wire> below_;
    BIO* from_server_ = BIO_new(BIO_s_mem());
    BIO* to_server_ = BIO_new(BIO_s_mem());
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
};

}   // namespace play
