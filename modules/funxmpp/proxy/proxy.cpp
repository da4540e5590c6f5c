#include "proxy.hpp"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <utility>

#include <boost/asio/post.hpp>

namespace tambo::funxmpp {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {

constexpr std::size_t most_clients = 16;   // that are logging in, or leaving
constexpr std::chrono::seconds patience_with_logins{60}, patience_with_farewells{5};

void say(const std::string& what) { std::cerr << "funxmpp-proxy: " << what << std::endl; }   // flushed: it is a log

tcp::endpoint endpoint_of(const Settings& settings) {
    return {asio::ip::make_address(settings.listen_address), settings.listen_port};
}

}   // namespace

Proxy::Proxy(const Settings& settings)
    : settings_(settings),
      outbox_(settings.outbox_file, settings.outbox),
      relay_(outbox_, settings.bare_jid(), *this),
      back_off_(settings.back_off) {
    for (const int each : {SIGTERM, SIGINT, SIGHUP}) signals_.add(each);
    const auto endpoint = endpoint_of(settings_);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address{true});
    acceptor_.bind(endpoint);
    acceptor_.listen();
    say("listening on port " + std::to_string(acceptor_.local_endpoint().port()));
}

Proxy::~Proxy() = default;

void Proxy::run() {
    listen_to_signals();
    accept();
    keep_alive();
    consider_link();
    context_.run();
}

// --- local clients

void Proxy::accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
        if (is_stopping_) return;
        if (!error) welcome(std::move(socket));
        accept();
    });
}

void Proxy::welcome(tcp::socket socket) {
    if (clients_.size() >= most_clients) return;   // which closes it
    error_code ignored;
    socket.set_option(tcp::no_delay{true}, ignored);
    auto client = std::make_shared<Client>(std::move(socket), settings_.login.credentials,
                                           Client::Events{
                                               .bound = [this](Client& who) { client_bound(who); },
                                               .said =
                                                   [this](Client& who, Element stanza, const std::string& xml) {
                                                       if (client_.get() == &who) relay_.client_said(stanza, xml);
                                                   },
                                               .took =
                                                   [this](Client& who, std::uint32_t stanzas) {
                                                       if (client_.get() != &who) return;
                                                       relay_.client_took(stanzas);
                                                       consider_link();
                                                   },
                                               .left = [this](Client& who) { client_left(who); },
                                           });
    clients_.push_back(client);
    client->start();
}

void Proxy::client_bound(Client& client) {
    if (client_) {
        const auto old = std::exchange(client_, nullptr);
        old->close("conflict", "another client has logged in");
        relay_.client_left();
    }
    client_ = client.shared_from_this();
    relay_.client_bound(client.resource());
    consider_link();
}

void Proxy::client_left(Client& client) {
    if (client_.get() == &client) {
        client_.reset();
        relay_.client_left();
        consider_link();
    }
    std::erase_if(clients_, [&](const auto& each) { return each.get() == &client; });
}

void Proxy::to_client(const std::string& stanza) {
    if (client_) client_->send(stanza, 1);
}
void Proxy::tell_client(const std::string& stanza) {
    if (client_) client_->send(stanza, 0);
}
void Proxy::close_client(std::string_view condition, std::string_view text) {
    if (client_) client_->close(condition, text);
}

// --- the link

void Proxy::consider_link() {
    if (relay_.wants_link() && !link_ && is_retry_due_) open_link();
}

void Proxy::open_link() {
    auto wish = settings_.login;
    wish.resource = relay_.wanted_resource();
    wish.resumption = relay_.resumption();
    is_finishing_ = is_bound_ = was_ack_missing_ = false;
    limit_patience(patience_with_logins);
    link_ = std::make_unique<Link>(
        context_, settings_.target, wish,
        Link::Events{
            .bound = [this](const Bound& bound) { link_bound(bound); },
            .element =
                [this](const Tape& tape, const std::string& xml) {
                    was_ack_missing_ = false;   // whatever it says, it is there
                    relay_.server_said({tape, 0}, xml);
                },
            .ended = [this](const std::string& why, bool is_hopeless) { link_ended(why, is_hopeless); },
        });
}

void Proxy::link_bound(const Bound& bound) {
    say(std::string{bound.is_resumed ? "resumed the session" : "new session at the server"} + ", " +
        link_->tls_version() + (link_->is_binary() ? ", FunXMPP; " : ", XML; ") + std::to_string(relay_.unsent()) +
        " stanzas waited");
    is_bound_ = true;
    deadline_.cancel();
    back_off_.succeeded();
    relay_.server_bound(bound);
}

void Proxy::link_ended(const std::string& why, bool is_hopeless) {
    report_traffic();
    link_.reset();
    const bool is_in_order = is_finishing_;
    deadline_.cancel();
    relay_.server_lost();
    if (is_stopping_) return context_.stop();
    if (is_in_order) return consider_link();
    say(why);
    if (is_hopeless) close_client("remote-connection-failed", why);
    wait_for_network();
}

void Proxy::wait_for_network() {
    const auto pause = back_off_.next(std::uniform_real_distribution<>{}(luck_));
    is_retry_due_ = false;
    retry_.expires_after(pause);
    retry_.async_wait([this](error_code error) {
        if (error) return;
        is_retry_due_ = true;
        consider_link();
    });
}

void Proxy::to_server(const std::string& element) {
    if (link_) link_->send(element);
}

void Proxy::finish_server() {
    if (!link_) return;
    is_finishing_ = true;
    link_->finish();
    limit_patience(patience_with_farewells);
}

/// A server that neither lets us in nor says good-bye is gone, too.
void Proxy::limit_patience(std::chrono::seconds patience) {
    deadline_.expires_after(patience);
    deadline_.async_wait([this](error_code error) {
        if (!error) drop_server();
    });
}

void Proxy::drop_server() {
    asio::post(context_, [this, meant = link_.get()] {
        if (meant != nullptr && link_.get() == meant) link_ended("the link was given up", false);
    });
}

/// A frame of three bytes now and then, so that nobody on the way forgets the connection; and who does not acknowledge
/// anything for so long is not there.
void Proxy::keep_alive() {
    keepalive_.expires_after(relay_.is_waiting_for_ack() ? settings_.ack_timeout : settings_.keepalive);
    keepalive_.async_wait([this](error_code error) {
        if (error) return;
        if (std::exchange(was_ack_missing_, relay_.is_waiting_for_ack()) && was_ack_missing_)
            drop_server();
        else if (link_ && is_bound_)
            link_->keep_alive();
        keep_alive();
    });
}

void Proxy::report_traffic() const {
    if (!is_bound_) return;
    const auto words = [](const Traffic& traffic) {
        return std::to_string(traffic.bytes) + " bytes (XML " + std::to_string(traffic.xml) + ")";
    };
    say("this connection: in " + words(link_->in()) + ", out " + words(link_->out()));
}

// --- the process

void Proxy::listen_to_signals() {
    signals_.async_wait([this](error_code error, int number) {
        if (error) return;
        if (number != SIGHUP) return stop();
        back_off_.succeeded();
        is_retry_due_ = true;
        consider_link();
        listen_to_signals();
    });
}

/// What the server does not have by then waits in the outbox.
void Proxy::stop() {
    is_stopping_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    close_client("system-shutdown", {});
    client_.reset();
    relay_.client_left();
    if (!link_) return context_.stop();
    limit_patience(patience_with_farewells);
}

}   // namespace tambo::funxmpp
