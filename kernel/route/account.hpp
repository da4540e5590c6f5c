// Accounts and sessions as the kernel keeps them. Modules see Account and Session.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/container/small_vector.hpp>

#include <tambo/session.hpp>

#include "route/account_rows.hpp"
#include "route/local_session.hpp"
#include "route/pending.hpp"
#include "route/slots.hpp"
#include "store/store_service.hpp"

namespace tambo {

class Shard;

class LocalAccount final : public Account {
public:
    LocalAccount(Shard& shard, Jid jid);
    ~LocalAccount();

    const Jid& jid() const noexcept override { return jid_; }
    bool exists() const noexcept override { return exists_; }
    std::span<Session* const> sessions() noexcept override { return {sessions_.data(), sessions_.size()}; }
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
    Pending pending;        ///< the Journal's
    Duration last_used{};   ///< for eviction
    Shard& shard() noexcept { return shard_; }
    bool may_be_evicted() const noexcept {
        return sessions_.empty() && pending.empty() && state_ != State::loading && pins == 0;
    }
    unsigned pins = 0;   ///< requests in flight that come back to this object

private:
    enum class State : unsigned char { loading, loaded, failed };

    void restore_sessions(const std::vector<StoreService::Front::Loaded::Kept>& kept, std::vector<JournalEntry> held);
    void dispatch(Stanza& stanza);
    void arrive_message(Stanza& stanza, LocalSession* addressee);
    void arrive_presence(Stanza& stanza, LocalSession* addressee);
    void arrive_iq(Stanza& stanza, LocalSession* addressee);
    bool deliver_to_all(Stanza& stanza);
    void undelivered(Stanza& stanza);

    Shard& shard_;
    Jid jid_;
    State state_ = State::loading;
    bool exists_ = false;
    boost::container::small_vector<Session*, 1> sessions_;   // owned; LocalSession all of them
    std::vector<Contact> contacts_;                          // sorted by JID
    AccountRows rows_;
    std::vector<std::function<void(bool)>> waiting_;
    Slots slots_;
};

}   // namespace tambo
