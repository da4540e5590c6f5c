// One login with one purpose: funxmpp-cli login, send, listen.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "session_wish.hpp"

namespace tambo::funxmpp {

/// Prints what happens to standard output, and why it failed to standard error.
class Session {
public:
    explicit Session(const SessionWish& wish);
    int run();   ///< what to exit with

private:
    void bound(const Bound& bound);
    void element(const Tape& tape, const std::string& xml);
    void stanza(Element stanza, const std::string& xml);
    void message(Element message, const std::string& xml);
    void confirm(Element message);
    void iq(Element iq);
    void heard(Element ack);
    void send_message();
    void ended(const std::string& why);
    void expect_within_timeout(const std::string& what);
    void succeed();
    void fail(const std::string& why);
    void send(const std::string& stanza);
    void acknowledge();

    const SessionWish wish_;
    boost::asio::io_context context_{1};
    boost::asio::steady_timer timer_{context_};
    boost::asio::signal_set signals_{context_};
    std::optional<Link> link_;
    Bound bound_;
    std::string id_;                         // of the message that we sent
    std::uint32_t sent_ = 0, handled_ = 0;   // XEP-0198
    bool is_heard_ = false, is_received_ = false;
    std::uint64_t messages_ = 0;
    int code_ = 1;
    bool is_done_ = false;
};

}   // namespace tambo::funxmpp
