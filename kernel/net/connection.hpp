// One client connection: transport, TLS, framing, negotiation, output. It finds its session and feeds it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <tambo/codec.hpp>
#include <tambo/feature.hpp>

#include "net/admission.hpp"
#include "net/gate.hpp"
#include "net/tls.hpp"
#include "net/transport.hpp"
#include "shard/wheel.hpp"
#include "stream/wire.hpp"

namespace tambo {

class Shard;
class LocalSession;
class Negotiation;

/// Who comes in without authentication: somebody in this process, whom the host program vouches for.
struct Guest {
    Jid account;                                             ///< bare
    std::string resource;                                    ///< empty: any
    std::function<void(Shard&, const Result<Jid>&)> bound;   ///< never, if the stream ends first
};

/// What a listener says about the connections that it accepts.
struct Entrance {
    std::string name;             ///< of the listener
    bool direct_tls = false;      ///< TLS from the first byte (XEP-0368)
    bool may_begin_tls = false;   ///< TLS from the first byte, if the client wants it
    bool may_start_tls = true;
    bool plaintext_auth = false;                    ///< authentication without TLS is allowed here
    bool is_private = false;                        ///< in process: as good as TLS, and not counted by the gate
    std::shared_ptr<const Guest> guest = nullptr;   ///< shared with the connection's negotiation
};

/// Lives on one shard at a time. While it is idle it holds no buffer: only a wait for the transport to become readable.
class Connection final : public std::enable_shared_from_this<Connection> {
public:
    Connection(Shard& shard, std::unique_ptr<Transport> transport, std::shared_ptr<const Entrance> entrance,
               std::string address);
    ~Connection();

    void open();   ///< the first time, on its first shard
    Shard& shard() const noexcept { return *shard_; }
    const std::string& address() const noexcept { return address_; }
    const Origin& origin() const noexcept { return origin_; }
    bool is_secure() const noexcept { return entrance_->is_private || (tls_ && tls_->established()); }
    std::string_view codec_name() const noexcept { return wire_->name; }
    const Wire& wire() const noexcept { return *wire_; }
    LocalSession* session() const noexcept { return session_; }
    bool is_closing() const noexcept { return closing_; }

    // --- for the transport
    void readable();
    void writable();

    // --- for Shard
    std::size_t place = 0;   ///< among its connections

    // --- for Admission
    void wait_at(Admission::Place place) noexcept { arrival_->place = place; }
    /// Its turn to shake hands.
    void admitted();
    /// The client is not there any more; asked of the kernel, since nobody reads what it said.
    bool has_hung_up() const noexcept;

    // --- output: appended now, written at the end of the turn
    void write(const Stanza& stanza);
    void write(const Stanza& stanza, std::string_view xml);   ///< which it is, in words
    void write_element(std::string_view xml);
    void end_turn();   ///< the shard's turn is over: what was written leaves
    std::size_t queued() const noexcept { return out_.size() - written_; }
    /// Our stream header, as negotiation has it.
    void write_header();

    /// Ends the stream in the polite way; the session, if any, is not touched.
    void close_stream();
    void close_stream(StreamCondition condition, std::string_view text = {}, std::string_view application = {});
    /// The server is being emptied. A session that can be resumed stays, and only its link is cut, so that the client
    /// goes on elsewhere or later (true); everything else ends with the stream error system-shutdown.
    bool send_away(std::string_view why);
    /// Lets go of everything at once. The session, if any, is detached.
    void drop();
    /// The session goes its own way: it ended, or was given another connection.
    void release_session() noexcept { session_ = nullptr; }

    // --- for Negotiation
    void start_tls(std::string_view domain);
    /// The next thing that comes is a new stream header; on another shard, if `home` is one.
    void restart(Shard& home);
    void restart(Wire& wire);   ///< likewise, in another format
    void attach(LocalSession& session);
    void resume_input();   ///< a step ended or asked for more; takes effect after this turn
    const Tls* tls() const noexcept { return tls_ ? &*tls_ : nullptr; }
    const Entrance& entrance() const noexcept { return *entrance_; }
    /// What its codec remembers; null for all that speak XML.
    const StreamMemory* memory() const noexcept { return stream_.memory(); }
    /// What the client's stream header declared beyond the usual; null for nearly all.
    const StreamContext* context() const noexcept { return stream_.context(); }

private:
    /// What is forgotten when a session is bound.
    struct Arrival {
        Duration began{};
        std::string tls_domain;   ///< what the handshake is for, if a stream said so
        Admission::Place place;
        Shard* moving_to = nullptr;
    };
    enum class Read : std::uint8_t { some, nothing, end };
    void wait_readable();
    void shake_hands();
    void begin_handshake();
    void queue_up();
    bool begins_tls() const;
    void resume_reading();
    Read read_some(std::string_view& bytes);
    void take(std::string_view bytes);
    void take_waiting();
    std::size_t take_frames(std::string_view bytes);
    void take_frame(std::string_view frame);
    std::size_t recognize(std::string_view bytes);
    std::size_t enter(std::size_t used);
    Codec::Frame find_frame(std::string_view bytes);
    Codec::Decoded decode(std::string_view frame, StreamHeader& header);
    template <class Outcome, class Call>
    Outcome ask_codec(Outcome otherwise, Call&& call);
    template <class Words>
    void say(std::size_t xml_bytes, Words&& words);
    bool bring_up_to_date();
    void count_saved_in(std::size_t frame, std::size_t xml);
    void count_saved_out(std::size_t frame, std::size_t xml);
    void on_header(const StreamHeader& header);
    void on_stanza(Stanza& stanza);
    void on_footer();
    FrameLimits limits() const noexcept;
    bool is_moving() const noexcept { return arrival_ && arrival_->moving_to != nullptr; }
    bool may_take_input() const noexcept;
    void after_input();
    void watch_while_busy();
    void count_bytes(std::size_t in, std::size_t out);
    void pay_for(std::size_t bytes);
    Duration own_wait(std::size_t bytes);
    void throttle(Duration wait);
    void flush();
    void flush_later();
    bool prepare_output();
    bool send_some();
    void wait_writable();
    void output_done();
    void linger();
    void discard();
    void move_home();
    void arrive();
    void set_deadline(Duration wait);
    void clear_deadline() noexcept;
    void new_stream();
    void be_settled();

    Shard* shard_;
    std::unique_ptr<Transport> transport_;       // null when dropped
    std::shared_ptr<const Entrance> entrance_;   // shared with its listener
    std::string address_;
    Origin origin_;   // address_, as the gate counts it
    std::optional<Tls> tls_;
    Wire* wire_;
    Codec::Stream stream_;
    std::unique_ptr<Negotiation> negotiation_;   // until bound
    LocalSession* session_ = nullptr;
    std::string tail_;       // of an unfinished frame, or input that has to wait
    std::size_t seen_ = 0;   // bytes of tail_ that the framer has looked at
    std::string out_;
    std::size_t written_ = 0;
    std::int64_t allowance_;   // bytes it may still send at once ([limits] read_rate)
    Duration refilled_{};
    Wheel::Id deadline_ = 0;
    std::unique_ptr<Arrival> arrival_ = std::make_unique<Arrival>();   // until bound
    bool waits_readable_ = false, waits_writable_ = false, is_dirty_ = false, in_handshake_ = false;
    bool header_sent_ = false, header_seen_ = false, closing_ = false, lingering_ = false, dropped_ = false;
    bool is_watched_ = false;   // a step works, and now and then we look whether the client is still there
    bool is_let_in_ = false;    // it may say more at once
    bool is_between_ = false;   // left one shard and has not arrived on the other
    bool resuming_ = false, taking_ = false, overflow_ = false, throttled_ = false;
    bool is_fresh_ = true;      // nothing has come yet: its first bytes say which wire this is
    bool is_mute_ = false;      // its codec could not say something: the stream ends with the turn
    bool is_leaving_ = false;   // said goodbye, and gets ours when all is kept
    bool is_dry_ = false;       // the last read found nothing: only the transport can tell of more
};

}   // namespace tambo
