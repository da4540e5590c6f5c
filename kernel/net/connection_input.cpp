// A connection's way in: bytes, frames, stanzas.
#include <algorithm>
#include <utility>

#include "net/connection.hpp"
#include "net/connection_wire.hpp"
#include "route/local_session.hpp"
#include "shard/shard.hpp"
#include "stream/negotiation.hpp"

namespace tambo {

namespace {

constexpr std::size_t reads_in_a_row = 4;   // then others get their turn
constexpr Duration look_for_client{1000};   // while a step works

}   // namespace

void Connection::wait_readable() {
    if (waits_readable_ || dropped_ || is_between_) return;
    waits_readable_ = true;
    transport_->wait_readable(shared_from_this());
}

void Connection::readable() {
    waits_readable_ = false;
    if (dropped_) return;
    if (lingering_) return discard();
    if (in_handshake_) return tls_ && tls_->has_answered() ? shake_hands() : queue_up();
    if (is_fresh_ && entrance_->may_begin_tls && !tls_ && begins_tls()) {
        in_handshake_ = true;
        return queue_up();
    }
    for (std::size_t i = 0; i < reads_in_a_row && may_take_input() && !throttled_; ++i) {
        std::string_view bytes;
        const auto got = read_some(bytes);
        if (got == Read::end) return drop();
        is_dry_ = got == Read::nothing;
        if (is_dry_) break;
        count_bytes(bytes.size(), 0);
        pay_for(bytes.size());
        take(bytes);
        const bool filled = bytes.size() == shard_->read_buffer.size();
        if (dropped_ || (!filled && !(tls_ && tls_->has_pending()))) break;
    }
    after_input();
}

void Connection::count_bytes(std::size_t in, std::size_t out) {
    shard_->count_bytes(*wire_, in, out);
    if (session_ != nullptr) session_->count_bytes(in, out);
}

// Who sends faster than allowed is read more slowly; TCP tells it to wait (RFC 6120 §13.12). It pays twice: from its
// own allowance, and from the one that it shares with all others of its address.
void Connection::pay_for(std::size_t bytes) {
    if (entrance_->is_private) return;
    const auto own = own_wait(bytes);
    const auto wait = std::max(own, shard_->kernel.gate.pay(origin_, bytes, shard_->steady()));
    if (wait > Duration::zero()) throttle(wait);
}

Duration Connection::own_wait(std::size_t bytes) {
    const auto& limits = shard_->kernel.settings.limits;
    if (limits.read_rate == 0) return Duration::zero();
    const auto rate = static_cast<std::int64_t>(limits.read_rate);
    allowance_ -= static_cast<std::int64_t>(bytes);
    if (allowance_ >= 0) return Duration::zero();
    const auto now = shard_->steady();
    const auto earned = std::min<std::int64_t>((now - refilled_).count(), 3'600'000) * rate / 1000;
    allowance_ = std::min(allowance_ + earned, static_cast<std::int64_t>(limits.read_burst));
    refilled_ = now;
    return allowance_ >= 0 ? Duration::zero() : Duration{-allowance_ * 1000 / rate + 1};
}

void Connection::throttle(Duration wait) {
    throttled_ = true;
    shard_->after(wait, [weak = weak_from_this(), here = shard_] {
        const auto self = weak.lock();
        if (!self || self->shard_ != here || self->dropped_) return;
        self->throttled_ = false;
        self->after_input();
    });
}

Connection::Read Connection::read_some(std::string_view& bytes) {
    auto& buffer = shard_->read_buffer;
    if (tls_) {
        const auto got = tls_->read(buffer);
        if (got.state == Tls::State::done) return bytes = {buffer.data(), got.bytes}, Read::some;
        if (got.state == Tls::State::want_read) return Read::nothing;
        if (got.state == Tls::State::want_write) return wait_writable(), Read::nothing;
        return Read::end;
    }
    const auto got = transport_->read(buffer);
    if (got.state == Transport::State::some) return bytes = {buffer.data(), got.bytes}, Read::some;
    return got.state == Transport::State::nothing ? Read::nothing : Read::end;
}

// The usual case: nothing is left over, and frames are taken where they lie in the shard's buffer.
void Connection::take(std::string_view bytes) {
    if (!tail_.empty()) {
        tail_.append(bytes);
        return take_waiting();
    }
    const auto used = take_frames(bytes);
    if (used < bytes.size() && !dropped_ && !closing_) tail_.assign(bytes.substr(used));
}

void Connection::take_waiting() {
    const auto used = take_frames(tail_);
    if (dropped_ || closing_)
        tail_ = {};
    else if (used == tail_.size())
        tail_ = std::string{};   // an idle connection holds no buffer
    else
        tail_.erase(0, used);
}

std::size_t Connection::take_frames(std::string_view bytes) {
    taking_ = true;
    std::size_t used = is_fresh_ ? recognize(bytes) : 0;
    while (!is_fresh_ && used < bytes.size() && may_take_input()) {
        const auto rest = bytes.substr(used);
        const auto frame = find_frame(rest);
        if (frame.found == Codec::Found::error) {
            close_stream(frame.condition, frame.text);
            break;
        }
        if (frame.found == Codec::Found::need_more) {
            seen_ = rest.size();
            break;
        }
        seen_ = 0;
        used += frame.used;
        take_frame(rest.substr(0, frame.used));
        // Whatever was sent behind <starttls/> was sent in the clear: nobody may look at it (RFC 6120 §5.4.3.3).
        if (in_handshake_) used = bytes.size();
    }
    taking_ = false;
    return used;
}

void Connection::take_frame(std::string_view frame) {
    StreamHeader header;
    const auto decoded = decode(frame, header);
    switch (decoded.kind) {
        case Codec::Kind::nothing:
            return;
        case Codec::Kind::error:
            return close_stream(decoded.condition, decoded.text);
        case Codec::Kind::footer:
            return on_footer();
        case Codec::Kind::header:
            return on_header(header);
        case Codec::Kind::stanza:
            return on_stanza(shard_->scratch);
    }
}

void Connection::on_header(const StreamHeader& header) {
    if (header_seen_ || !negotiation_) return close_stream(StreamCondition::invalid_xml, "a stream within a stream");
    header_seen_ = true;
    negotiation_->opened(header);
}

void Connection::on_stanza(Stanza& stanza) {
    if (!stanza.adopt(false)) return close_stream(StreamCondition::invalid_xml);   // addresses come later
    if (session_ != nullptr) return shard_->receive(*this, *session_, stanza);
    if (!header_seen_) return close_stream(StreamCondition::bad_format);
    negotiation_->element(stanza);
}

// RFC 6120 §4.4: the client is done; we say goodbye too. Not a broken connection, so nothing is kept for resumption.
void Connection::on_footer() {
    auto* session = std::exchange(session_, nullptr);
    if (session == nullptr) return close_stream();
    session->attach(nullptr);
    const bool is_durable = session->is_durable();
    if (!is_durable) close_stream();
    shard_->end_session(*session);
    if (!is_durable) return;
    // A client that has our goodbye forgets what it acknowledged last: that has to be on disk before.
    is_leaving_ = true;
    shard_->journal.after_commit([weak = weak_from_this(), here = shard_](const std::string&) {
        const auto self = weak.lock();
        if (self && self->shard_ == here) self->close_stream();
    });
}

bool Connection::may_take_input() const noexcept {
    return !dropped_ && !closing_ && !is_leaving_ && !in_handshake_ && !is_moving() &&
           !(negotiation_ && negotiation_->is_busy());
}

void Connection::resume_input() {
    if (resuming_ || taking_) return;   // the loop in take_frames looks again by itself
    resuming_ = true;
    shard_->post([self = shared_from_this(), here = shard_] {
        if (self->shard_ != here) return;   // it moved meanwhile, and went on by itself
        self->resuming_ = false;
        self->after_input();
    });
}

// Input was worked off, or may go on: whatever waits is taken, then the transport is watched again.
void Connection::after_input() {
    if (throttled_) return;
    if (negotiation_ && negotiation_->has_finished()) {
        be_settled();
    }
    if (may_take_input() && !tail_.empty() && seen_ < tail_.size()) take_waiting();
    if (negotiation_ && negotiation_->has_finished()) {
        be_settled();
        if (may_take_input() && !tail_.empty()) return resume_input();
    }
    if (!may_take_input() && !lingering_) return watch_while_busy();
    // What OpenSSL has decrypted or buffered already does not make the descriptor readable again.
    if (!lingering_ && !is_dry_ && tls_ && tls_->has_pending()) return resume_reading();
    wait_readable();
}

// While a step works, nobody reads, and so nobody would see that the client went away: its password would be checked
// for nothing.
void Connection::watch_while_busy() {
    if (is_watched_ || dropped_ || !negotiation_ || !negotiation_->is_busy()) return;
    is_watched_ = true;
    shard_->after(look_for_client, [weak = weak_from_this(), here = shard_] {
        const auto self = weak.lock();
        if (!self || self->shard_ != here || self->dropped_) return;
        self->is_watched_ = false;
        if (!self->negotiation_ || !self->negotiation_->is_busy()) return;
        if (self->has_hung_up()) return self->drop();
        self->watch_while_busy();
    });
}

}   // namespace tambo
