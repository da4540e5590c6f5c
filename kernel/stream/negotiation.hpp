// A stream before it is bound (RFC 6120 §4.3): features, the step that is being taken, restarts.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <tambo/feature.hpp>

#include "module/instance.hpp"

namespace tambo {

class Connection;
class LocalAccount;
class LocalSession;
struct Guest;
struct Wire;

/// Belongs to its connection, until a session is bound to that. Knows no sockets: what it wants done, it asks of
/// Connection.
class Negotiation final : public Handshake {
public:
    explicit Negotiation(Connection& connection);
    ~Negotiation();

    /// A stream header was read: answers with ours and the features, or with a stream error.
    void opened(const StreamHeader& header);
    /// An element was read.
    void element(Stanza& stanza);
    /// A step runs and does not ask for anything: input has to wait.
    bool is_busy() const noexcept { return (step_ != 0 && !receiver_) || is_welcoming_; }
    void secured();   ///< the TLS handshake succeeded
    const std::string& id() const noexcept { return id_; }
    const std::string& domain() const noexcept { return info_.domain; }
    bool has_finished() const noexcept { return finished_; }

    // --- Handshake
    const StreamInfo& info() const noexcept override { return info_; }
    void send(std::string_view xml) override;
    Later<Stanza> receive() override;
    void close(StreamCondition condition, std::string_view text = {}) override;
    void start_tls() override;
    bool switch_codec(std::string_view name) override;
    Bytes channel_binding(std::string_view type) const override;
    void authenticated(const Jid& bare) override;
    bool failed_attempt() override;
    bool may_register() override;
    Later<Account*> account() override;
    Later<Result<Jid>> bind(std::string_view resource, Conflict policy) override;
    void resume(Session& session, std::string_view xml) override;

private:
    void refresh_info();
    void send_features();
    void welcome_guest();
    Result<Jid> bind_guest(const Guest& guest, LocalAccount* account);
    void take_step(const Hooks::Step& step, Stanza& stanza);
    class StepEnd;
    void step_ended();
    void step_lost();          ///< the step's version was taken away; the stream goes on, and may try again
    void ask_for_patience();   // a module that is needed to log in is out of order
    void refuse(const Stanza& stanza);
    Result<Jid> bind_now(std::string_view resource, Conflict policy, LocalAccount& account);

    Connection& connection_;
    StreamInfo info_;
    std::string id_;
    std::shared_ptr<Later<Stanza>::State> receiver_;
    Instance* step_owner_ = nullptr;
    std::uint64_t step_ = 0;   // the running step's task
    bool ended_early_ = false;
    unsigned failures_ = 0;
    bool restart_wanted_ = false, tls_wanted_ = false, finished_ = false, is_welcoming_ = false;
    LocalSession* bound_ = nullptr;
    Wire* wire_wanted_ = nullptr;
    std::shared_ptr<bool> alive_;   // for answers that come when the stream is gone; this shard only
};

}   // namespace tambo
