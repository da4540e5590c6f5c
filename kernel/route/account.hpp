// Accounts and sessions as the kernel keeps them. Modules see Account and Session.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/session.hpp>

#include "shard/wheel.hpp"
#include "store/store_service.hpp"

namespace tambo {

class Shard;
class Connection;
class LocalAccount;

/// How many slots of each name there are on a shard. There are few names, so a flat list.
class SlotCensus {
public:
    void add(std::string_view name, std::ptrdiff_t n);
    std::uint64_t count(std::string_view name) const noexcept;

private:
    std::vector<std::pair<std::string, std::uint64_t>> counts_;
};

/// Named bytes that modules hang on something. Few per holder, so a flat list.
class Slots {
public:
    std::string& at(std::string_view name, SlotCensus* census);   ///< null: not counted
    const std::string* find(std::string_view name) const noexcept;
    void leave(SlotCensus& census) const;   ///< they don't count any more
    void clear(SlotCensus& census);

private:
    // By pointer: a reference handed out must survive the next slot's coming.
    std::vector<std::pair<std::string, std::unique_ptr<std::string>>> slots_;
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
    bool is_available() const noexcept override { return presence_ != nullptr; }
    int priority() const noexcept override { return priority_; }
    const Stanza* presence() const noexcept override { return presence_.get(); }
    void set_available(const Stanza& presence, int priority) override;
    void set_unavailable(Stanza& goodbye) override;
    void send(Stanza& stanza) override;
    void send_element(std::string_view xml) override;
    void close(StreamCondition condition, std::string_view text, std::string_view application) override;
    void drop_link() override;
    void keep_sent(std::size_t max_kept) override;
    bool keeps_sent() const noexcept override { return kept_ != nullptr; }
    std::size_t kept() const noexcept override { return kept_ ? kept_->size() : 0; }
    void acknowledge(std::size_t oldest) override;
    void resend_kept() override;
    std::vector<Stanza> take_kept() override;
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

private:
    LocalAccount& account_;
    Jid jid_;
    Connection* connection_ = nullptr;
    std::unique_ptr<Stanza> presence_;
    std::unique_ptr<std::deque<std::string>> kept_;   // unacknowledged stanzas as XML, oldest first
    std::size_t max_kept_ = 0;
    std::uint64_t received_ = 0, sent_ = 0, bytes_in_ = 0, bytes_out_ = 0;
    std::int64_t bytes_saved_ = 0;
    Time since_, active_;
    Slots slots_;
    std::vector<std::pair<std::string, Wheel::Id>> timers_;
    int priority_ = 0;
    bool ending_ = false, ended_ = false;
};

class LocalAccount final : public Account {
public:
    LocalAccount(Shard& shard, Jid jid);
    ~LocalAccount();

    const Jid& jid() const noexcept override { return jid_; }
    bool exists() const noexcept override { return exists_; }
    std::span<Session* const> sessions() noexcept override { return sessions_; }
    void send(Stanza stanza) override;
    void deliver_bare(Stanza& stanza) override;
    std::span<const Contact> contacts() const noexcept override { return contacts_; }
    void set_contact(const Contact& contact) override;
    void remove_contact(const Jid& bare) override;
    const std::string* row(std::string_view table, std::string_view key) const noexcept override;
    void put_row(std::string_view table, std::string_view key, std::string value) override;
    void erase_row(std::string_view table, std::string_view key) override;
    void each_row(std::string_view table,
                  const std::function<void(std::string_view, const std::string&)>& see) const override;
    std::string& slot(std::string_view name) override;

    /// Puts off `job` until the account is loaded; `job(false)` if that failed. Runs at once if it is loaded.
    void when_loaded(std::function<void(bool)> job);
    bool is_loaded() const noexcept { return state_ == State::loaded; }
    void loaded(StoreService::Front::Loaded data, bool exists);
    void load_failed();
    void set_exists(bool exists) noexcept { exists_ = exists; }
    /// It was removed. Whoever takes the name while this object is still in memory must find nothing in it.
    void forget() noexcept;

    /// RFC 6121 §8.5: a stanza for this account or one of its resources. The account is loaded.
    void arrive(Stanza& stanza);

    LocalSession& add_session(const Jid& full);
    /// Takes it out of the account; the caller decides when it dies.
    std::unique_ptr<LocalSession> remove_session(LocalSession& session);
    LocalSession* find_local(std::string_view resource) noexcept;

    JournalState journal;   ///< what waits, kept in step by the shard's Journal
    Duration last_used{};   ///< for eviction
    Shard& shard() noexcept { return shard_; }
    bool may_be_evicted() const noexcept { return sessions_.empty() && state_ != State::loading && pins == 0; }
    unsigned pins = 0;   ///< requests in flight that come back to this object

private:
    enum class State : unsigned char { loading, loaded, failed };
    using Table = std::map<std::string, std::string, std::less<>>;

    void arrive_message(Stanza& stanza, LocalSession* addressee);
    void arrive_presence(Stanza& stanza, LocalSession* addressee);
    void arrive_iq(Stanza& stanza, LocalSession* addressee);
    bool deliver_to_all(Stanza& stanza);
    void undelivered(Stanza& stanza);

    Shard& shard_;
    Jid jid_;
    State state_ = State::loading;
    bool exists_ = false;
    std::vector<Session*> sessions_;   // owned; LocalSession all of them
    std::vector<Contact> contacts_;    // sorted by JID
    std::map<std::string, Table, std::less<>> rows_;
    std::vector<std::function<void(bool)>> waiting_;
    Slots slots_;
};

}   // namespace tambo
