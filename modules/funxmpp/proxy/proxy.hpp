// funxmpp-proxy: local clients, the relay, and the link to the server.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "back_off.hpp"
#include "client.hpp"
#include "relay.hpp"
#include "settings.hpp"

namespace tambo::funxmpp {

/// One account. Logs to standard error what happens to the link. Throws what the outbox throws: without it, nothing may
/// be taken from a client.
class Proxy final : private Doors {
public:
    explicit Proxy(const Settings& settings);
    ~Proxy() override;
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;
    void run();   ///< until SIGTERM or SIGINT; SIGHUP: there may be a network again

private:
    void to_client(const std::string& stanza) override;
    void tell_client(const std::string& stanza) override;
    void close_client(std::string_view condition, std::string_view text) override;
    void to_server(const std::string& element) override;
    void finish_server() override;
    void drop_server() override;

    void accept();
    void welcome(boost::asio::ip::tcp::socket socket);
    void client_bound(Client& client);
    void client_left(Client& client);

    void consider_link();
    void open_link();
    void link_bound(const Bound& bound);
    void link_ended(const std::string& why, bool is_hopeless);
    void wait_for_network();
    void keep_alive();
    void limit_patience(std::chrono::seconds patience);
    void listen_to_signals();
    void stop();
    void report_traffic() const;

    const Settings settings_;
    boost::asio::io_context context_{1};
    boost::asio::ip::tcp::acceptor acceptor_{context_};
    boost::asio::signal_set signals_{context_};
    boost::asio::steady_timer retry_{context_}, keepalive_{context_}, deadline_{context_};
    Outbox outbox_;
    Relay relay_;
    BackOff back_off_;
    std::mt19937_64 luck_{std::random_device{}()};

    std::vector<std::shared_ptr<Client>> clients_;   // shared with their operations under way
    std::shared_ptr<Client> client_;                 // the one that is bound
    std::unique_ptr<Link> link_;
    bool is_retry_due_ = true;    // or a timer says when
    bool is_finishing_ = false;   // the link, in order
    bool is_bound_ = false;       // the link
    bool is_stopping_ = false;
    bool was_ack_missing_ = false;
};

}   // namespace tambo::funxmpp
