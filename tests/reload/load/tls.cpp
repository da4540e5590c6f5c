#include "tls.hpp"

#include <array>
#include <stdexcept>

#include <openssl/err.h>

namespace load {

namespace {

SSL_CTX* context() {
    static const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> one{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
    return one.get();
}

[[noreturn]] void give_up() {
    const auto error = ERR_get_error();
    throw std::runtime_error{std::string{"TLS: "} +
                             (error != 0 ? ERR_error_string(error, nullptr) : "no reason given")};
}

}   // namespace

Tls::Tls() : ssl_(SSL_new(context()), SSL_free), from_server_(BIO_new(BIO_s_mem())), to_server_(BIO_new(BIO_s_mem())) {
    SSL_set_bio(ssl_.get(), from_server_, to_server_);   // owns both
    SSL_set_connect_state(ssl_.get());
}

bool Tls::shake_hands() {
    const int r = SSL_do_handshake(ssl_.get());
    if (r == 1) return true;
    if (SSL_get_error(ssl_.get(), r) != SSL_ERROR_WANT_READ) give_up();
    return false;
}

void Tls::flush(std::string& out) {
    std::array<char, 4096> piece{};
    for (int n = 0; (n = BIO_read(to_server_, piece.data(), static_cast<int>(piece.size()))) > 0;)
        out.append(piece.data(), static_cast<std::size_t>(n));
}

void Tls::seal(std::string_view plain, std::string& out) {
    waiting_ += plain;
    if (shake_hands() && !waiting_.empty()) {
        std::size_t written = 0;
        if (SSL_write_ex(ssl_.get(), waiting_.data(), waiting_.size(), &written) != 1) give_up();
        waiting_.erase(0, written);
    }
    flush(out);
}

bool Tls::open(std::string_view bytes, std::string& plain, std::string& out) {
    BIO_write(from_server_, bytes.data(), static_cast<int>(bytes.size()));
    seal({}, out);
    if (!SSL_is_init_finished(ssl_.get())) return true;
    std::array<char, 16384> piece{};
    while (true) {
        std::size_t n = 0;
        const int r = SSL_read_ex(ssl_.get(), piece.data(), piece.size(), &n);
        if (r != 1) {
            const int why = SSL_get_error(ssl_.get(), r);
            flush(out);
            if (why == SSL_ERROR_WANT_READ) return true;
            if (why == SSL_ERROR_ZERO_RETURN) return false;
            give_up();
        }
        plain.append(piece.data(), n);
    }
}

}   // namespace load
