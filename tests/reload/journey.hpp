// A client's way through all phases of negotiation, step by step, with a point before, amid and behind each of them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <tambo/server.hpp>

#include "wire.hpp"

namespace play {

/// Connects, negotiates (STARTTLS if it goes over TCP), logs in with SCRAM, binds, turns XEP-0198 on, is cut off, comes
/// back to its session, says goodbye. Throws std::runtime_error when something else comes than what was to be expected;
/// temporary-auth-failure is answered by another try.
class Journey {
public:
    /// Called at each point, with words for what is just going on.
    using Between = std::function<void(const std::string& where)>;

    Journey(tambo::Server& server, std::string user, bool is_over_tcp, Between between);
    ~Journey();

    void travel();
    unsigned temporary_failures() const noexcept { return temporary_failures_; }

private:
    void connect();
    void encrypt();
    void log_in();
    void bind();
    void turn_resumption_on();
    void resume();
    void say_goodbye();

    void open(const std::string& phase);
    bool authenticate();
    void ping();
    /// Sends it in two halves, with a point before, between and behind them.
    void send(const std::string& xml, const std::string& where);
    /// What came until then; the rest is for the next call.
    std::string read_until(std::string_view wanted);
    void read_until_the_end();

    tambo::Server& server_;
    std::string user_;
    bool is_over_tcp_;
    Between between_;
    std::unique_ptr<Wire> wire_;
    std::string came_, resumption_id_;
    unsigned temporary_failures_ = 0, heard_ = 0, pings_ = 0;
};

}   // namespace play
