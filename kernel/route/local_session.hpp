// A session as the kernel keeps it. Modules see Session.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/session.hpp>

#include "route/kept_presence.hpp"
#include "route/outbox.hpp"
#include "route/slots.hpp"
#include "shard/wheel.hpp"

namespace tambo {

class Connection;
class LocalAccount;
class Pending;
class Shard;
struct JournalBatch;
struct SessionState;

/// What a session has that counts stanzas both ways (XEP-0198). Most idle ones have little in it, so it is made when it
/// is needed.
struct Counts {
    Counts(std::size_t most_kept, std::shared_ptr<SessionOrigin> who) : outbox(most_kept), origin(std::move(who)) {}

    Outbox outbox;
    std::shared_ptr<SessionOrigin> origin;
    std::uint64_t accepted = 0;         ///< all of the client's stanzas up to this one are taken care of
    std::vector<std::uint64_t> ahead;   ///< … and these, in order
    std::uint64_t kept_accepted = 0;    ///< as the disk knows
    std::uint64_t state_hash = 0;       ///< of the state that is on disk
    bool is_on_disk = false;            ///< it can come back
    bool is_put = false, may_have_changed = true, has_risen = false, is_restored = false;
    /// Of a restored session: what is in journals of what its client may send again, and up to which number.
    struct Known {
        std::vector<std::uint64_t> marks;
        std::uint64_t until = 0;
    };
    std::unique_ptr<Known> known;   ///< null for nearly all
};

class LocalSession final : public Session {
public:
    LocalSession(LocalAccount& account, Jid jid);
    ~LocalSession();

    const Jid& jid() const noexcept override { return jid_; }
    Account& account() noexcept override;
    Link link() const noexcept override;
    std::uint64_t received() const noexcept override { return received_; }
    void count_received(Time now) noexcept {
        ++received_;
        active_ = now;
    }
    Traffic traffic() const noexcept override { return {received_, sent_, bytes_in_, bytes_out_, bytes_saved_}; }
    void count_bytes(std::size_t in, std::size_t out) noexcept {
        bytes_in_ += in;
        bytes_out_ += out;
    }
    void count_saved(std::int64_t bytes) noexcept { bytes_saved_ += bytes; }
    Time since() const noexcept override { return since_; }
    Time active() const noexcept override { return active_; }
    bool is_available() const noexcept override { return static_cast<bool>(presence_); }
    int priority() const noexcept override { return priority_; }
    const Stanza* presence() const noexcept override;
    void set_available(const Stanza& presence, int priority) override;
    void set_unavailable(Stanza& goodbye) override;
    void send(Stanza& stanza) override;
    void send_element(std::string_view xml) override;
    void close(StreamCondition condition, std::string_view text, std::string_view application) override;
    void drop_link() override;
    void keep_sent(std::size_t max_kept) override;
    bool keeps_sent() const noexcept override { return counts_ != nullptr; }
    std::size_t kept() const noexcept override { return counts_ ? counts_->outbox.size() : 0; }
    std::uint64_t kept_bytes() const noexcept override { return counts_ ? counts_->outbox.bytes() : 0; }
    std::uint64_t last_number() const noexcept override { return counts_ ? counts_->outbox.written() : 0; }
    std::uint64_t acknowledged() const noexcept override { return counts_ ? counts_->outbox.acknowledged() : 0; }
    void acknowledge(std::uint64_t up_to) override;
    void resend_kept() override;
    std::vector<Stanza> take_kept() override;
    std::uint64_t accepted() const noexcept override;
    void make_durable() override;
    bool is_durable() const noexcept override { return counts_ && counts_->origin->is_durable; }
    bool was_restored() const noexcept override { return counts_ && counts_->is_restored; }
    std::uint64_t device() const noexcept override { return counts_ ? counts_->origin->device : 0; }
    void set_confirming(bool confirms) override { confirming_ = confirms; }
    bool holds() const noexcept override { return counts_ != nullptr || confirming_; }
    void end() override;
    std::string& slot(std::string_view name) override;
    const std::string* find_slot(std::string_view name) const noexcept override { return slots_.find(name); }
    void arm(std::string_view timer, std::chrono::milliseconds in) override;
    void disarm(std::string_view timer) override;

    /// The connection it speaks through; null while it is only kept.
    Connection* connection() const noexcept { return connection_; }
    void attach(Connection* connection) noexcept { connection_ = connection; }
    LocalAccount& local() noexcept { return account_; }
    bool has_ended() const noexcept { return ended_; }
    /// True once: whoever calls first ends it.
    bool begin_end() noexcept { return !std::exchange(ending_, true); }
    /// It may be looked at until the turn ends, and outlive its account so long.
    void mark_ended();
    void cancel_timers() noexcept;

    // --- for the journal
    /// Whom what it sends leads back to; null if nobody counts.
    std::shared_ptr<SessionOrigin> origin() const noexcept { return counts_ ? counts_->origin : nullptr; }
    void settled(std::uint64_t number) noexcept;   ///< that stanza of its client has found its end
    void tell_accepted();                          ///< fires Event::accepted
    /// Did its client send this before a restart, and is it in a journal?
    bool has_come_before(const Stanza& stanza);
    void may_have_changed() noexcept;
    void keep(JournalBatch& batch);                 ///< what has to be written of it
    void is_kept(std::uint64_t accepted_on_disk);   ///< it was written
    void was_not_kept();
    void release();   ///< sends what waited for a commit that is there
    /// It comes back after a restart. False if its state cannot be read.
    bool restore(const KeptSession& kept, const std::vector<JournalEntry>& sent);
    /// … and of these it has not acknowledged what it holds.
    void take_over(const Pending& pending);
    void forget_connection() noexcept;   ///< the server stops, the session does not

private:
    /// One that was armed. There are none while a session sleeps, and seldom more than one.
    struct Timer {
        std::string name;
        Wheel::Id id;
        std::unique_ptr<Timer> next;
    };

    void write(Stanza& stanza, const Entry* entry = nullptr);
    SessionState state() const;
    void leave_origin() noexcept;
    bool may_speak() const noexcept;

    LocalAccount& account_;
    Jid jid_;
    Connection* connection_ = nullptr;
    KeptPresence presence_;
    std::unique_ptr<Counts> counts_;   // null without stream management
    std::uint64_t received_ = 0, sent_ = 0, bytes_in_ = 0, bytes_out_ = 0;
    std::int64_t bytes_saved_ = 0;
    Time since_, active_;
    Slots slots_;
    std::unique_ptr<Timer> timers_;
    int priority_ = 0;
    bool ending_ = false, ended_ = false, confirming_ = false;

public:
    bool is_listed = false;   ///< the journal will look at it
};

}   // namespace tambo
