#include "net/connection.hpp"

#include <array>

#include "net/connection_wire.hpp"
#include "route/account.hpp"
#include "shard/shard.hpp"
#include "stream/negotiation.hpp"

namespace tambo {

namespace {

constexpr Duration linger_time{2000};                         // for a client that does not close its side
constexpr std::size_t discard_bytes = std::size_t{1} << 20;   // what we read from it meanwhile, at most

}   // namespace

Connection::Connection(Shard& shard, std::unique_ptr<Transport> transport, std::shared_ptr<const Entrance> entrance,
                       std::string address)
    : shard_(&shard),
      transport_(std::move(transport)),
      entrance_(std::move(entrance)),
      address_(std::move(address)),
      origin_(Origin::parse(address_)),
      wire_(&shard.wires.front()) {
    allowance_ = static_cast<std::int64_t>(shard.kernel.settings.limits.read_burst);
    is_let_in_ = entrance_->guest != nullptr;
    negotiation_ = std::make_unique<Negotiation>(*this);
}

Connection::~Connection() = default;

void Connection::open() {
    shard_->adopt(shared_from_this());
    transport_->enter(*this);
    arrival_->began = shard_->steady();
    set_deadline(shard_->kernel.settings.limits.negotiation_time);
    pay_for(0);   // a new connection does not escape the debt of its address
    if (!entrance_->direct_tls) return wait_readable();
    begin_handshake();
}

// --- streams

void Connection::new_stream() {
    stream_ = {};
    seen_ = 0;
    header_seen_ = header_sent_ = false;
}

FrameLimits Connection::limits() const noexcept {
    const auto& limits = shard_->kernel.settings.limits;
    return {is_let_in_ ? limits.stanza_bytes : limits.stanza_bytes_before_auth, limits.depth, limits.attributes};
}

void Connection::restart(Shard& home) {
    new_stream();
    is_let_in_ = true;
    if (&home != shard_) {
        arrival_->moving_to = &home;
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
    if (arrival_ && arrival_->place) shard_->admission.leave(arrival_->place);
    clear_deadline();
    transport_.reset();
    if (!entrance_->is_private) shard_->kernel.gate.leave(origin_, shard_->steady());
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
    auto* to = std::exchange(arrival_->moving_to, nullptr);
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

void Connection::be_settled() {
    negotiation_.reset();
    arrival_.reset();
    clear_deadline();
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
