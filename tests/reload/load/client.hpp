// A client of the load test: logs in, answers XEP-0198, comes back to its session after a cut cable.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include <tambo/task.hpp>

#include "ledger.hpp"
#include "loop.hpp"

namespace load {

/// What all clients of one run share.
struct World {
    std::uint16_t port = 0;
    std::string domain = "localhost", password = "secret";
    Loop& loop;
    Ledger& ledger;
    std::atomic<bool> is_reloading{false}, is_ending{false};
};

enum class Wire : std::uint8_t { xml, xml_over_tls, funxmpp };
enum class Mechanism : std::uint8_t { plain, scram };

class Client {
public:
    Client(World& world, std::string user, std::string resource, Wire wire);
    virtual ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Runs script() until it ends; what it throws is a dropped connection.
    void start();
    bool is_done() const noexcept { return done_; }
    const std::string& jid() const noexcept { return jid_; }   ///< full; empty while it is not bound
    std::string bare() const { return user_ + "@" + world_.domain; }
    const std::string& name() const noexcept { return name_; }

protected:
    virtual tambo::Task<void> script() = 0;

    tambo::Task<void> log_in(Mechanism mechanism = Mechanism::plain);   ///< up to the second features
    tambo::Task<void> bind();
    tambo::Task<void> enable_resumption();
    tambo::Task<void> resume();    ///< cuts the cable and takes the session up again
    tambo::Task<void> log_out();   ///< what comes until the server closes goes to hear()
    tambo::Task<Node> ask(std::string type, std::string payload, std::string to = {});
    /// The next element that is not about XEP-0198; Dropped if there is none.
    tambo::Task<Node> next();
    /// What comes while this client waits for something else.
    virtual void hear(const Node& node) = 0;

    void send(const std::string& stanza);
    void send_element(const std::string& xml) { stream_->send(xml); }
    bool is_connected() const noexcept { return is_bound_; }
    bool is_resumable() const noexcept { return is_counting_; }

    World& world_;

private:
    struct Life;
    Life live();
    tambo::Task<Node> read();   // whatever comes
    tambo::Task<Node> wait_for(std::string name);
    tambo::Task<void> encrypt();
    tambo::Task<bool> authenticate(Mechanism mechanism);
    void connect();
    void acknowledged(const Node& node);
    std::string acknowledgement() const;
    bool take_care_of(const Node& node);

    std::string user_, resource_, name_, jid_;
    Wire wire_;
    std::unique_ptr<Stream> stream_;
    std::coroutine_handle<> life_;
    bool done_ = false, is_bound_ = false, is_counting_ = false;
    unsigned asked_ = 0;
    std::string resumption_id_;
    std::uint32_t heard_ = 0, confirmed_ = 0;
    std::deque<std::string> unconfirmed_;
};

}   // namespace load
