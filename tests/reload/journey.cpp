#include "journey.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/socket.h>

#include <tambo/bytes.hpp>
#include <tambo/client.hpp>

#include "encrypted_wire.hpp"
#include "load/scram.hpp"

namespace play {

namespace {

constexpr std::chrono::seconds patience{20};
constexpr unsigned most_attempts = 3;

std::unique_ptr<Wire> over_tcp(std::uint16_t port) {
    auto wire = std::make_unique<SocketWire>(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;   // pieces leave as they are written
    ::setsockopt(wire->descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(wire->descriptor(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        throw std::runtime_error{"cannot connect"};
    return wire;
}

std::string text_in(const std::string& xml, const std::string& element) {
    const auto open = xml.find('<' + element);
    const auto begin = open == std::string::npos ? open : xml.find('>', open);
    const auto end = begin == std::string::npos ? begin : xml.find("</" + element + '>', begin);
    return end == std::string::npos ? std::string{} : xml.substr(begin + 1, end - begin - 1);
}

std::string attribute_in(const std::string& xml, const std::string& name) {
    const auto at = xml.find(' ' + name + "='");
    if (at == std::string::npos) return {};
    const auto begin = at + name.size() + 3;
    return xml.substr(begin, xml.find('\'', begin) - begin);
}

}   // namespace

Journey::Journey(tambo::Server& server, std::string user, bool is_over_tcp, Between between)
    : server_(server), user_(std::move(user)), is_over_tcp_(is_over_tcp), between_(std::move(between)) {}

Journey::~Journey() = default;

void Journey::travel() {
    connect();
    log_in();
    bind();
    turn_resumption_on();
    ping();
    connect();
    log_in();
    resume();
    ping();
    say_goodbye();
}

// --- the phases

void Journey::connect() {
    wire_.reset();
    came_.clear();
    between_("with no connection");
    if (is_over_tcp_)
        wire_ = over_tcp(server_.port("c2s"));
    else
        wire_ = std::make_unique<PipeWire>(server_.connect_in_process());
    between_("before the first header");
    open("first header");
    if (is_over_tcp_) encrypt();
}

void Journey::encrypt() {
    send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<starttls/>");
    read_until("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    between_("behind <proceed/>");
    wire_ = std::make_unique<EncryptedWire>(std::move(wire_), patience, between_);
    open("header behind TLS");
}

void Journey::log_in() {
    for (unsigned attempt = 1; !authenticate(); ++attempt)
        if (attempt == most_attempts) throw std::runtime_error{"temporary-auth-failure again and again"};
    between_("behind <success/>");
    open("header behind SASL");
}

bool Journey::authenticate() {
    load::Scram scram{user_, "secret"};
    const auto with = [](const std::string& name, const std::string& more, const std::string& text) {
        return '<' + name + " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'" + more + '>' + tambo::base64(text) + "</" +
               name + '>';
    };
    std::string said = with("auth", " mechanism='SCRAM-SHA-256'", scram.first());
    for (std::string name = "auth";; name = "response") {
        send(said, '<' + name + "/>");
        const auto answer = read_until("</challenge>|</success>|</failure>");
        if (answer.find("<success") != std::string::npos) {
            if (!scram.is_proven(tambo::from_base64(text_in(answer, "success")).value_or("")))
                throw std::runtime_error{"the server has not proven itself: " + answer};
            return true;
        }
        if (answer.find("<temporary-auth-failure") != std::string::npos) return ++temporary_failures_, false;
        if (answer.find("<challenge") == std::string::npos) throw std::runtime_error{"not let in: " + answer};
        between_("behind <challenge/>");
        said = with("response", "", scram.answer(tambo::from_base64(text_in(answer, "challenge")).value_or("")));
    }
}

void Journey::bind() {
    send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>",
         "<bind/>");
    const auto answer = read_until("</iq>");
    if (text_in(answer, "jid") != user_ + "@localhost/r") throw std::runtime_error{"not bound: " + answer};
    between_("behind binding");
}

void Journey::turn_resumption_on() {
    send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<enable/>");
    resumption_id_ = attribute_in(read_until("<enabled "), "id");
    if (resumption_id_.empty()) throw std::runtime_error{"no resumption"};
    between_("behind <enabled/>");
}

void Journey::resume() {
    send("<resume xmlns='urn:xmpp:sm:3' h='" + std::to_string(heard_) + "' previd='" + resumption_id_ + "'/>",
         "<resume/>");
    const auto answer = read_until("<resumed |<failed ");
    if (answer.find("<resumed ") == std::string::npos) throw std::runtime_error{"not resumed: " + answer};
    between_("behind <resumed/>");
}

void Journey::ping() {
    const auto id = "ping-" + std::to_string(++pings_);
    send("<iq type='get' id='" + id + "' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", "<ping/>");
    const auto answer = read_until(" id='" + id + "'");
    ++heard_;
    if (answer.find("type='error'") != std::string::npos) throw std::runtime_error{"no ping: " + answer};
}

void Journey::say_goodbye() {
    send("</stream:stream>", "the end");
    read_until_the_end();
}

// --- bytes

void Journey::open(const std::string& phase) {
    send(
        "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>",
        phase);
    read_until("</stream:features>|<stream:features/>");
    between_("behind the features for the " + phase);
}

void Journey::send(const std::string& xml, const std::string& where) {
    between_("before " + where);
    const auto half = xml.size() / 2;
    wire_->write(std::string_view{xml}.substr(0, half));
    between_("amid " + where);
    wire_->write(std::string_view{xml}.substr(half));
    between_("right behind " + where);
}

// `wanted`: alternatives, with a bar between them.
std::string Journey::read_until(std::string_view wanted) {
    while (true) {
        for (auto rest = wanted; !rest.empty();) {
            const auto one = rest.substr(0, rest.find('|'));
            rest.remove_prefix(std::min(rest.size(), one.size() + 1));
            const auto at = came_.find(one);
            if (at == std::string::npos) continue;
            auto whole = came_.substr(0, std::max(at + one.size(), came_.find('>', at) + 1));
            came_.erase(0, whole.size());
            return whole;
        }
        const auto more = wire_->read(patience);
        if (more.empty()) throw std::runtime_error{"the stream ended before " + std::string{wanted} + ": " + came_};
        came_ += more;
    }
}

void Journey::read_until_the_end() {
    read_until("</stream:stream>");
    while (!wire_->read(patience).empty()) {
    }
}

}   // namespace play
