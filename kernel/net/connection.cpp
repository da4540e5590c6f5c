#include "net/connection.hpp"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>

#include "net/client_hello.hpp"
#include "net/connection_wire.hpp"
#include "route/account.hpp"
#include "shard/shard.hpp"
#include "stream/negotiation.hpp"
#include "stream/xml_size.hpp"

namespace tambo {

namespace {

constexpr std::size_t reads_in_a_row = 4;                     // then others get their turn
constexpr Duration look_for_client{1000};                     // while a step works
constexpr Duration linger_time{2000};                         // for a client that does not close its side
constexpr std::size_t discard_bytes = std::size_t{1} << 20;   // what we read from it meanwhile, at most

}   // namespace

Connection::Connection(Shard& shard, std::unique_ptr<Transport> transport, Entrance entrance, std::string address)
    : shard_(&shard),
      transport_(std::move(transport)),
      entrance_(std::move(entrance)),
      address_(std::move(address)),
      origin_(Origin::parse(address_)),
      wire_(&shard.wires.front()) {
    const auto& limits = shard.kernel.settings.limits;
    allowance_ = static_cast<std::int64_t>(limits.read_burst);
    limits_ = {entrance_.guest ? limits.stanza_bytes : limits.stanza_bytes_before_auth, limits.depth,
               limits.attributes};
    negotiation_ = std::make_unique<Negotiation>(*this);
}

Connection::~Connection() = default;

void Connection::open() {
    shard_->adopt(shared_from_this());
    transport_->enter(*this);
    opened_ = shard_->steady();
    set_deadline(shard_->kernel.settings.limits.negotiation_time);
    pay_for(0);   // a new connection does not escape the debt of its address
    if (!entrance_.direct_tls) return wait_readable();
    begin_handshake();
}

// --- input

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
    if (is_fresh_ && entrance_.may_begin_tls && !tls_ && begins_tls()) {
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
    if (entrance_.is_private) return;
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
    return !dropped_ && !closing_ && !is_leaving_ && !in_handshake_ && moving_to_ == nullptr &&
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
        negotiation_.reset();
        clear_deadline();
    }
    if (may_take_input() && !tail_.empty() && seen_ < tail_.size()) take_waiting();
    if (negotiation_ && negotiation_->has_finished()) {
        negotiation_.reset();
        clear_deadline();
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

// --- output

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
    if (moving_to_ != nullptr) move_home();
}

// --- TLS

void Connection::start_tls(std::string_view domain) {
    flush();   // <proceed/> is the last thing in the clear
    if (dropped_) return;
    if (queued() != 0 || tls_ || transport_->descriptor() < 0) return drop();
    new_stream();
    tail_ = {};
    is_fresh_ = true;
    tls_domain_ = domain;
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
    shard_->admission.wait(*this, opened_, offers_resumption({hello.data(), static_cast<std::size_t>(seen)}));
}

bool Connection::has_hung_up() const noexcept {
    pollfd look{transport_->descriptor(), POLLRDHUP, 0};
    return closing_ || (::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0);
}

void Connection::admitted() {
    const bool is_direct = tls_domain_.empty();   // no stream said whom it wants to talk to
    if (!tls_) tls_.emplace(shard_->kernel.tls, transport_->descriptor(), tls_domain_, is_direct);
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

// --- streams

void Connection::new_stream() {
    stream_ = {};
    seen_ = 0;
    header_seen_ = header_sent_ = false;
}

void Connection::restart(Shard& home) {
    new_stream();
    const auto& limits = shard_->kernel.settings.limits;
    limits_.bytes = limits.stanza_bytes;
    if (&home != shard_) {
        moving_to_ = &home;
        flush_later();   // moves when <success/> has left
    } else {
        resume_input();
    }
}

void Connection::restart(Wire& wire) {
    if (wire.codec == nullptr) return close_stream(StreamCondition::reset);   // its module went before the step ended
    new_stream();
    wire_ = &wire;
    resume_input();
}

void Connection::attach(LocalSession& session) {
    session_ = &session;
    session.attach(this);
}

void Connection::close_stream() {
    if (closing_ || dropped_) return;
    if (header_sent_ && prepare_output()) say(0, [&](Codec& codec) { return codec.write_footer(out_), true; });
    closing_ = true;
    set_deadline(linger_time);
    flush_later();
}

// RFC 6120 §4.9.1: even an error needs a stream to stand in.
void Connection::close_stream(StreamCondition condition, std::string_view text, std::string_view application) {
    if (closing_ || dropped_) return;
    if (!header_sent_) write_header();
    Writer error;
    error.raw("<stream:error>").element(to_string(condition), ns::stream_errors).end();
    if (!text.empty()) error.element("text", ns::stream_errors).attribute("xml:lang", "en").text(text).end();
    error.raw(application).raw("</stream:error>");
    write_element(error.str());
    auto* session = std::exchange(session_, nullptr);
    close_stream();
    if (session == nullptr) return;
    session->attach(nullptr);
    shard_->end_session(*session);
}

// What a session keeps, the client gets when it resumes: a stream error would tell it to begin anew.
bool Connection::send_away(std::string_view why) {
    const auto self = shared_from_this();
    auto* session = std::exchange(session_, nullptr);
    if (session != nullptr) {
        session->attach(nullptr);
        shard_->detach(*session);
        if (!session->has_ended()) {
            flush();
            drop();
            return true;
        }
    }
    close_stream(StreamCondition::system_shutdown, why);
    return false;
}

// RFC 6120 §4.4: after our </stream:stream> the client gets a moment to read it; closing at once would send a reset
// that overtakes it.
void Connection::linger() {
    lingering_ = true;
    tail_ = {};
    if (tls_) tls_->shut_down();
    transport_->end_output();
    discard();
}

void Connection::discard() {
    std::array<char, 4096> away{};
    for (std::size_t sum = 0; sum < discard_bytes;) {
        const auto got = transport_->read(away);
        if (got.state == Transport::State::nothing) return wait_readable();
        if (got.state == Transport::State::end) break;
        sum += got.bytes;
    }
    drop();
}

void Connection::drop() {
    if (dropped_) return;
    const auto self = shared_from_this();   // forget() lets go of it
    dropped_ = true;
    if (place_) shard_->admission.leave(place_);
    clear_deadline();
    transport_.reset();
    if (!entrance_.is_private) shard_->kernel.gate.leave(origin_, shard_->steady());
    if (auto* session = std::exchange(session_, nullptr)) {
        session->attach(nullptr);
        shard_->detach(*session);
    }
    shard_->forget(*this);
}

// --- moving home

// Nothing is in flight here: input is not watched, output is written. Bytes already read travel in tail_.
void Connection::move_home() {
    if (waits_readable_ || waits_writable_ || is_dirty_) return;
    auto* to = std::exchange(moving_to_, nullptr);
    clear_deadline();
    const auto self = shared_from_this();
    shard_->forget(*this);
    transport_->leave();
    is_between_ = true;
    shard_ = to;
    to->post([self] { self->arrive(); });
}

void Connection::arrive() {
    is_between_ = false;
    transport_->enter(*this);
    resuming_ = throttled_ = is_watched_ = false;
    shard_->adopt(shared_from_this());
    auto* wire = shard_->find_wire(wire_->name);   // names never change, so another shard's may be looked at
    if (wire == nullptr) return drop();            // its module was unloaded meanwhile
    wire_ = wire;
    set_deadline(shard_->kernel.settings.limits.negotiation_time);
    pay_for(0);   // what it still owes
    after_input();
}

// --- deadlines

void Connection::set_deadline(Duration wait) {
    clear_deadline();
    deadline_ = shard_->after(wait, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->deadline_ = 0;
        if (self->closing_ || self->in_handshake_)
            self->drop();
        else if (self->negotiation_)
            self->close_stream(StreamCondition::connection_timeout);
    });
}

void Connection::clear_deadline() noexcept {
    if (deadline_ != 0) shard_->cancel(std::exchange(deadline_, 0));
}

}   // namespace tambo
