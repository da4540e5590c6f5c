// A connection's way out: appended in a turn, written at its end.
#include "net/connection.hpp"
#include "net/connection_wire.hpp"
#include "shard/shard.hpp"
#include "stream/negotiation.hpp"
#include "stream/xml_size.hpp"

namespace tambo {

bool Connection::prepare_output() {
    if (closing_ || dropped_ || overflow_) return false;
    if (queued() > shard_->kernel.settings.limits.send_queue) {
        overflow_ = true;
        flush_later();
        return false;
    }
    if (out_.capacity() < 256) out_ = shard_->take_buffer();
    flush_later();
    return true;
}

// Once a turn, however often: a connection that has moved on must not be found in its old shard's list.
void Connection::flush_later() {
    if (is_dirty_) return;
    is_dirty_ = true;
    shard_->touch(*this);
}

void Connection::end_turn() {
    if (is_mute_ && !closing_) {
        is_mute_ = false;
        close_stream(StreamCondition::policy_violation, "this can't be said in the format of this stream");
    }
    is_dirty_ = false;
    flush();
}

void Connection::write(const Stanza& stanza) {
    if (!prepare_output()) return;
    say(wire_->is_xml() ? 0 : xml_size(stanza), [&](Codec& codec) { return codec.write(out_, stanza, stream_); });
}

void Connection::write(const Stanza& stanza, std::string_view xml) {
    if (!wire_->is_xml()) return write(stanza);
    write_element(xml);
}

void Connection::write_element(std::string_view xml) {
    if (prepare_output()) say(xml.size(), [&](Codec& codec) { return codec.write_element(out_, xml, stream_); });
}

void Connection::write_header() {
    if (!prepare_output()) return;
    header_sent_ = true;
    StreamHeader ours;
    if (negotiation_) {
        ours.id = negotiation_->id();
        ours.from = negotiation_->domain();
    }
    if (ours.id.empty()) ours.id = random_token(20);
    ours.version = "1.0";
    ours.lang = "en";
    say(0, [&](Codec& codec) { return codec.write_header(out_, ours, stream_), true; });
}

void Connection::flush() {
    if (dropped_ || is_between_ || in_handshake_) return;
    if ((overflow_ && !closing_) || is_mute_)
        return drop();   // it does not read; a resumable session waits for its next connection
    if (waits_writable_) return;
    while (written_ < out_.size()) {
        if (!send_some()) return;
    }
    written_ = 0;
    out_.clear();
    shard_->give_buffer(std::move(out_));
    out_ = {};
    output_done();
}

// False: no more now, or never.
bool Connection::send_some() {
    const auto rest = std::string_view{out_}.substr(written_);
    if (tls_) {
        const auto sent = tls_->write(rest);
        if (sent.state == Tls::State::done) {
            written_ += sent.bytes;
            count_bytes(0, sent.bytes);
            return true;
        }
        if (sent.state == Tls::State::want_read) return wait_readable(), false;
        if (sent.state == Tls::State::want_write) return wait_writable(), false;
        return drop(), false;
    }
    const auto sent = transport_->write(rest);
    if (sent.state == Transport::State::some) {
        written_ += sent.bytes;
        count_bytes(0, sent.bytes);
        return true;
    }
    if (sent.state == Transport::State::nothing) return wait_writable(), false;
    return drop(), false;
}

void Connection::wait_writable() {
    if (waits_writable_ || dropped_ || is_between_) return;
    waits_writable_ = true;
    transport_->wait_writable(shared_from_this());
}

void Connection::writable() {
    waits_writable_ = false;
    if (dropped_) return;
    if (!in_handshake_) return flush();
    if (tls_) shake_hands();
}

void Connection::output_done() {
    if (closing_ && !lingering_) return linger();
    if (is_moving()) move_home();
}

}   // namespace tambo
