// A shard: one thread, one loop, and everything about the accounts that live here.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <tambo/module.hpp>

#include "net/connection.hpp"
#include "net/poller.hpp"
#include "route/accounts.hpp"
#include "route/auth_door.hpp"
#include "route/hooks.hpp"
#include "route/jid_cache.hpp"
#include "route/journal.hpp"
#include "server/kernel.hpp"
#include "shard/wheel.hpp"
#include "store/store_service.hpp"
#include "stream/wire.hpp"

namespace tambo {

/// Stanzas by kind.
struct KindFigures {
    Counter messages, presences, iqs;
    void count(const Stanza& stanza) noexcept {
        (stanza.is_message() ? messages : stanza.is_presence() ? presences : iqs).add();
    }
    std::uint64_t sum() const noexcept { return messages.value() + presences.value() + iqs.value(); }
};

/// Figures of one shard; written by its thread, read by anybody.
struct Figures {
    std::atomic<std::uint64_t> sessions{0}, accounts{0}, bytes_in{0}, bytes_out{0};
    KindFigures in, out;
    static void add(std::atomic<std::uint64_t>& figure, std::uint64_t n) noexcept {
        figure.store(figure.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
};

/// A tick that was armed (Wiring::every): how often, and when it is due.
struct TickLeft {
    Duration interval{}, due{};
};

/// Everything except post(), mail() and the figures belongs to the shard's own thread.
class Shard {
public:
    /// Works on a loop of its own, in a thread of its own; or on `loop`, which its caller runs.
    Shard(Kernel& kernel, unsigned index, asio::io_context* loop = nullptr);
    ~Shard();

    void start();              ///< its thread begins to work
    void be_here() noexcept;   ///< the caller runs its loop
    /// The one whose loop this thread runs; null on other threads.
    static Shard* current() noexcept;
    void join();
    /// Closes all streams (system-shutdown) and sessions, then lets the loop run out.
    void shut_down();
    /// After its thread has ended: works off, on the caller's thread, what was still brought here.
    void drain();

    /// Brings a job to this shard, in order of asking. From any thread.
    void post(std::function<void()> job);
    bool is_here() const noexcept { return std::this_thread::get_id() == runs_on_.load(std::memory_order_relaxed); }

    // --- stanzas
    /// A bound client sent this. The stanza's tape is adopted, its addresses are not yet read.
    void receive(Connection& connection, LocalSession& session, Stanza& stanza);
    /// Sends a stanza to whom it names, wherever that is. `from` is set.
    void route(Stanza& stanza);
    /// The same, but after the handler that runs now.
    void route_later(Stanza stanza);
    /// What a client sent has found its end here; its session is on another shard.
    void mail_settled(std::shared_ptr<SessionOrigin> origin, std::uint64_t number);
    /// More of what a client sent is accepted: it is told at the end of the turn.
    void note_risen(std::shared_ptr<SessionOrigin> origin) noexcept;
    /// Sends `stanza` back as an error, if it is one that may be answered (RFC 6120 §8.3.1).
    void bounce(const Stanza& stanza, const Error& error);
    /// A stanza for an account that lives here.
    void arrive(Stanza& stanza);
    /// An iq that one of our entities has to answer: the server, or `account`.
    void answer(Stanza& stanza, LocalSession* session, LocalAccount* account);
    Later<Result<Stanza>> ask(Stanza iq, Duration patience);

    // --- accounts
    LocalAccount& account(const Jid& bare);   ///< made and loading if it was not here
    LocalAccount* find_account(const Jid& jid) noexcept;
    void account_made(const Jid& bare);   ///< its credentials are kept; fires Event::created
    LocalSession* find_session(const Jid& full) noexcept;
    /// A session ends: its last words, then it is gone. `connection` may still be open.
    void end_session(LocalSession& session);
    /// The connection of a session broke.
    void detach(LocalSession& session);
    void remove_account(const Jid& bare, std::function<void(Result<Nothing>)> done);
    void evict_idle_accounts();
    /// Sessions that outlived the process: those of this shard's accounts, of which the store names some behind
    /// `after`, come back.
    void restore_sessions(std::string after = {});
    void each_session(const std::function<void(LocalSession&)>& see);

    // --- modules
    Hooks::Outcome fire(SessionEvent event, LocalSession& session, Stanza* stanza = nullptr) {
        return hooks.hears(event) ? hooks.fire(event, session, stanza) : Hooks::Outcome{};
    }
    Hooks::Outcome fire(AccountEvent event, LocalAccount& account, Stanza* stanza = nullptr) {
        return hooks.hears(event) ? hooks.fire(event, account, stanza) : Hooks::Outcome{};
    }
    /// A module that was not there before hears of the accounts that are in memory (Event::loaded).
    void introduce(Instance& newcomer);
    Wire* find_wire(std::string_view name) noexcept;   ///< one that can be spoken; null if there is none
    /// All streams of that name use it from now on.
    void set_codec(Codec& codec, Instance& owner);
    /// What `codec` could not go on with, for whoever wants to swap it in: a sentence, or nothing.
    std::string objection_to(const Codec& codec) const;
    /// Ends the streams that still depend on codecs of this instance (RFC 6120 §4.9.3.16).
    void withdraw_codecs(const Instance& owner);
    /// Throws if no module said that it keeps this table (Wiring::keeps).
    void must_be_declared(std::string_view table) const;
    void run_timer(const Jid& full, const std::string& name);

    // --- connections
    void adopt(std::shared_ptr<Connection> connection);   ///< owns it from now on
    void forget(Connection& connection);
    /// `see` must not open or close one.
    void each_connection(const std::function<void(const std::shared_ptr<Connection>&)>& see) const;
    void touch(Connection& connection);   ///< has output; flushed at the end of the turn
    std::string take_buffer();            ///< empty, with room; connections borrow it while they have output
    void give_buffer(std::string buffer);

    /// Everything that waits behind the present handler: routed stanzas, mail, output. Called by each entry of the
    /// loop.
    void end_turn();
    /// Runs `job` as one turn.
    template <class F>
    void turn(F&& job) {
        meter.begin_turn();
        now_.reset();
        job();
        work_off();
        schedule_end();
    }
    /// Wall clock, looked at once a turn.
    Time now() noexcept {
        if (!now_) now_ = kernel.clock->now();
        return *now_;
    }
    Duration steady() const noexcept { return kernel.clock->steady(); }
    /// Wheel timers follow the clock; manual clocks call this.
    void advance();
    Wheel::Id after(Duration wait, std::function<void()> job);
    void cancel(Wheel::Id id) noexcept { wheel_.cancel(id); }

    Kernel& kernel;
    const unsigned index;

private:
    const std::unique_ptr<asio::io_context> own_io_;   // null if somebody else's is used

public:
    asio::io_context& io;
    Poller poller{io};
    Hooks hooks;
    std::unique_ptr<Codec> xml;
    std::deque<Wire> wires;   ///< the first is XML; none ever leaves
    std::unique_ptr<StoreService::Front> store;
    JidCache jids;
    ShardJournal journal;
    Admission admission{*this};
    AuthProvider* auth = nullptr;
    Instance* auth_owner = nullptr;
    std::vector<std::string> lacking;   ///< modules without which nobody can come in, and that are out of order
    AuthDoor auth_door{*this};
    /// Of modules that have left: what their successors go on with.
    std::unordered_map<std::string, std::vector<TickLeft>> ticks_left;
    SlotCensus slots;
    Names tables;           ///< of rows
    ShownPresences shown;   ///< of this turn
    const Stanza& show(const LocalSession& session, const KeptPresence& presence) {
        const auto& stanza = shown.show(session, presence, session.jid());
        schedule_end();
        return stanza;
    }
    Stanza scratch;            ///< what is being read
    std::string read_buffer;   ///< 64 KB that all connections read into
    Figures figures;
    void count_bytes(Wire& wire, std::size_t in, std::size_t out);
    /// The shard stood still since then: tells `say` how long stanzas have waited for it, at most, which are read in
    /// the next round of the loop.
    void count_waiting(std::chrono::steady_clock::time_point since,
                       std::function<void(const std::vector<double>& milliseconds)> say);
    Meter meter;
    std::atomic<const char*> crumb{nullptr};   ///< the name of the module that runs now
    std::atomic<std::uint64_t> entries{0};     ///< how often the kernel has called a module, for the watchdog
    Instance* running = nullptr;               ///< … and itself; this shard's thread only

private:
    void work_off();
    void schedule_end();
    void arm_clock();
    void mail(Shard& to, Stanza stanza);
    void send_mail();
    void take_mail();
    void tell_risen();
    void dispatch(LocalAccount& home, Stanza& stanza);
    void let_go(detail::Trail& trail, std::uint64_t asked_before);
    void receive_element(Connection& connection, LocalSession& session, const Stanza& stanza);
    void from_client(LocalSession& session, Stanza& stanza);
    void refuse(LocalSession& session, const Stanza& stanza, const Error& error);
    static bool is_proper_iq(const Stanza& iq);
    void to_server(Stanza& stanza);
    void answer_in_time(const Hooks::OnIq& handler, Iq iq);
    void load(LocalAccount& account);
    void give_up(LocalAccount& account);
    void send_reply(const Stanza& request, Reply reply, std::uint64_t asked_before);
    void settle_question(Stanza& stanza);

    Accounts accounts_;
    std::vector<std::shared_ptr<Connection>> connections_;   // each knows its place
    std::vector<std::shared_ptr<Connection>> dirty_;
    std::deque<Stanza> to_route_;
    std::vector<std::string> spare_buffers_;
    std::vector<std::unique_ptr<LocalSession>> graveyard_;   // ended in this turn; somebody may still hold a reference
    std::optional<Time> now_;
    bool working_off_ = false, end_scheduled_ = false, shutting_down_ = false;

    struct Question {
        std::shared_ptr<Later<Result<Stanza>>::State> answer;
        Jid asked;
        Wheel::Id patience = 0;
    };
    std::unordered_map<std::string, Question> questions_;

    struct Standstill {
        std::chrono::steady_clock::time_point since;
        std::vector<double> milliseconds;
    };
    void note_wait();
    std::shared_ptr<Standstill> standstill_;   // null but for a round of the loop after a swap

    std::uint64_t next_question_ = 1;

    struct Settled {
        std::shared_ptr<SessionOrigin> origin;
        std::uint64_t number;
    };
    struct Mail {
        std::vector<Stanza> stanzas;
        std::vector<Settled> settled;
        bool empty() const noexcept { return stanzas.empty() && settled.empty(); }
    };
    std::vector<Mail> outgoing_;   // of this turn, by shard
    std::mutex mail_lock_;
    Mail mailbox_;   // guarded by mail_lock_
    std::vector<std::shared_ptr<SessionOrigin>> risen_;

    Wheel wheel_;
    asio::steady_timer clock_timer_;
    Duration armed_for_ = Duration::max();
    std::atomic<std::thread::id> runs_on_;
    std::thread thread_;
    std::unique_ptr<asio::executor_work_guard<asio::io_context::executor_type>> work_;
};

}   // namespace tambo
