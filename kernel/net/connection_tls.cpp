// A connection's TLS: whose turn it is, and the handshake.
#include <poll.h>
#include <sys/socket.h>

#include "net/client_hello.hpp"
#include "net/connection.hpp"
#include "shard/shard.hpp"
#include "stream/negotiation.hpp"

namespace tambo {

void Connection::start_tls(std::string_view domain) {
    flush();   // <proceed/> is the last thing in the clear
    if (dropped_) return;
    if (queued() != 0 || tls_ || transport_->descriptor() < 0) return drop();
    new_stream();
    tail_ = {};
    is_fresh_ = true;
    arrival_->tls_domain = domain;
    begin_handshake();
}

// The client speaks first. Until it has, and then until it is its turn, nothing is made for it.
void Connection::begin_handshake() {
    in_handshake_ = true;
    wait_readable();
}

void Connection::queue_up() {
    std::array<char, max_hello_bytes> hello;   // NOLINT: not worth clearing
    const auto seen = ::recv(transport_->descriptor(), hello.data(), hello.size(), MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return wait_readable();
    if (seen <= 0) return drop();
    shard_->admission.wait(*this, arrival_->began, offers_resumption({hello.data(), static_cast<std::size_t>(seen)}));
}

bool Connection::has_hung_up() const noexcept {
    pollfd look{transport_->descriptor(), POLLRDHUP, 0};
    return closing_ || (::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0);
}

void Connection::admitted() {
    const bool is_direct = arrival_->tls_domain.empty();   // no stream said whom it wants to talk to
    if (!tls_) tls_.emplace(shard_->kernel.tls, transport_->descriptor(), arrival_->tls_domain, is_direct);
    shake_hands();
}

// A TLS record of a handshake begins so (RFC 8446 §5.1), and nothing else that is spoken here does. It is only looked
// at: OpenSSL reads it.
bool Connection::begins_tls() const {
    constexpr char handshake = '\x16';
    char first = 0;
    return ::recv(transport_->descriptor(), &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first == handshake;
}

void Connection::shake_hands() {
    switch (tls_->handshake()) {
        case Tls::State::done:
            in_handshake_ = false;
            if (negotiation_) negotiation_->secured();
            return after_input();   // the client's first bytes may have come with its Finished
        case Tls::State::want_read:
            return wait_readable();
        case Tls::State::want_write:
            return wait_writable();
        case Tls::State::closed:
        case Tls::State::failed:
            return drop();
    }
}

void Connection::resume_reading() {
    shard_->post([self = shared_from_this(), here = shard_] {
        if (self->shard_ == here && !self->waits_readable_) self->readable();
    });
}

}   // namespace tambo
