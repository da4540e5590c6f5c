// A client of the server under test: logs in, and tells its test what comes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "connection.hpp"
#include "figures.hpp"
#include "options.hpp"
#include "scram.hpp"

namespace bench {

class Binary;
class Client;

/// What a test plugs into its clients. Whoever is told of a client may close it or let it log in again.
class Audience {
public:
    virtual void ready(Client& client) = 0;
    virtual void failed(Client& client) = 0;             ///< a login; why has been counted
    virtual void dropped(Client& client) = 0;            ///< after it was ready
    virtual void message(Client&, std::string_view) {}   ///< as XML; as FunXMPP, if it carries a mark of ours
    virtual void presence(Client&, std::string_view) {}
    virtual void iq(Client&, std::string_view) {}   ///< a result or an error

protected:
    ~Audience() = default;
};

sockaddr_in server_address(const Options& options);   ///< on loopback, or it throws

/// What all clients of a run share.
struct Run {
    explicit Run(const Options& options);

    std::string user(std::uint32_t number) const { return options.prefix + std::to_string(number); }
    std::string bare_jid(std::uint32_t number) const { return user(number) + '@' + options.domain; }
    std::string password(std::uint32_t number) const { return options.password + std::to_string(number); }

    const Options& options;
    Loop loop;
    Counters counters;
    TlsContext tls;
    ScramKeys scram_keys;
    std::string mark;     ///< stands in each body, and tells this run's messages from older ones
    bool with_presence;   ///< clients that log in from now on send it
};

class Client final : public Connection {
public:
    enum class State : std::uint8_t {
        away,
        opening,
        features,
        proceed,
        challenged,
        proven,
        features_again,
        bound,
        session,
        enabled,
        roll_call,
        ready,
        registered
    };

    Client(Run& run, Audience& audience, std::uint32_t number);
    ~Client() override;

    void log_in();
    /// Takes leave as RFC 6120 §4.4 asks, or just goes.
    void log_out();
    void go();
    void give_up();   ///< on a login that takes too long

    std::uint32_t number() const noexcept { return number_; }
    bool is_ready() const noexcept { return state_ == State::ready; }
    bool is_under_way() const noexcept { return state_ != State::ready && state_ != State::away; }
    std::uint64_t began_at() const noexcept { return began_at_; }
    const std::string& jid() const noexcept { return jid_; }   ///< the full one, once it is ready
    Binary* binary() noexcept { return binary_.get(); }        ///< nullptr: it speaks XML

    void say(std::string_view element);
    void ping(std::string_view id);   ///< the server: what was said before has been handled when the answer comes

    std::uint32_t tries = 0;   ///< of this login

private:
    void connected() override;
    void secured() override;
    std::size_t came(std::string_view bytes) override;
    void lost(Loss why) override;

    std::size_t xml_came(std::string_view bytes);
    std::size_t binary_came(std::string_view bytes);
    void open_stream();
    void element(std::string_view xml);
    void negotiate(std::string_view xml);
    void offered(std::string_view features);
    void authenticate(std::string_view features);
    void answer_challenge(std::string_view xml);
    void is_proven(std::string_view xml);
    void bind(std::string_view features);
    void is_bound(std::string_view xml);
    void manage();
    void appear();
    void is_registered(std::string_view xml);
    void stanza(std::string_view xml);
    void answer(std::string_view iq);
    void become_ready();
    void fail(std::uint64_t Counters::* why);
    void end() noexcept;

    Run& run_;
    Audience& audience_;
    const std::uint32_t number_;
    std::uint32_t handled_ = 0;   // XEP-0198's h
    std::uint64_t began_at_ = 0;
    std::string jid_;
    std::unique_ptr<Scram> scram_;
    std::unique_ptr<Binary> binary_;
    State state_ = State::away;
    bool has_header_ = false, counts_ = false, can_count_ = false, needs_session_ = false;
};

}   // namespace bench
