#include "client.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <tambo/bytes.hpp>

namespace play {

namespace {

constexpr std::string_view sm_space = "urn:xmpp:sm:3";
constexpr std::string_view csi_space = "urn:xmpp:csi:0";
constexpr std::string_view streams_space = "http://etherx.jabber.org/streams";

std::uint32_t number(const Node& node, std::string_view attribute) {
    const auto* text = node.attribute(attribute);
    if (text == nullptr) throw std::runtime_error{"no " + std::string{attribute} + " in " + node.str()};
    return static_cast<std::uint32_t>(std::stoul(*text));
}

bool is_roster_push(const Node& stanza) {
    const auto* type = stanza.attribute("type");
    const auto* query = stanza.child("query");
    return stanza.name == "iq" && type != nullptr && *type == "set" && query != nullptr &&
           query->space == "jabber:iq:roster";
}

}   // namespace

Client::Client(std::string user, std::string resource, std::string domain)
    : user_(std::move(user)), resource_(std::move(resource)), domain_(std::move(domain)) {}

Client::~Client() { close(); }

// --- coming and going
// ---------------------------------------------------------------------------------------------------

void Client::connect(std::unique_ptr<Wire> wire, const Wishes& wishes) {
    open(std::move(wire));
    take("features");
    log_in("secret");
    compress();
    bind();
    if (wishes.stream_management) {
        send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
        take("enabled");
    }
    if (wishes.roster) request("get", "<query xmlns='jabber:iq:roster'/>", "");
    if (wishes.presence) become_available(wishes.priority);
}

void Client::open(std::unique_ptr<Wire> wire) {
    start_over(std::move(wire));
    restart();
}

void Client::start_over(std::unique_ptr<Wire> wire) {
    close();
    wire_ = std::move(wire);
    inbox_.clear();
    acks_.clear();
    replies_.clear();
    error_.reset();
    is_bound_ = is_half_sent_ = awaits_echo_ = has_ended_ = is_inactive_ = false;
    counts_in_ = counts_out_ = false;
}

void Client::restart() {
    reader_ = StreamReader{};
    write("<?xml version='1.0'?><stream:stream to='" + domain_ +
          "' version='1.0' xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
}

void Client::log_in(const std::string& password) {
    const auto secret = std::string{'\0'} + user_ + '\0' + password;
    write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + tambo::base64(secret) + "</auth>");
    const auto answer = receive();
    if (answer.name != "success") throw std::runtime_error{"the login was answered by " + answer.str()};
    restart();
}

/// XEP-0138, where the wire wants it. Before and after it there are features to be read.
void Client::compress() {
    const auto method = wire_->compression();
    if (method.empty()) return;
    take("features");
    write("<compress xmlns='http://jabber.org/protocol/compress'><method>" + method + "</method></compress>");
    const auto answer = receive();
    if (answer.name != "compressed") throw std::runtime_error{"compression was answered by " + answer.str()};
    wire_->compressed();
    restart();
}

void Client::bind() {
    take("features");
    const auto answer = request(
        "set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource_ + "</resource></bind>", "");
    const auto* bound = answer.child("bind");
    const auto* jid = bound != nullptr ? bound->child("jid") : nullptr;
    if (jid == nullptr) throw std::runtime_error{"binding was answered by " + answer.str()};
    jid_ = jid->text;
    is_bound_ = true;
}

void Client::become_available(std::optional<int> priority) {
    awaits_echo_ = true;
    send(priority ? "<presence><priority>" + std::to_string(*priority) + "</priority></presence>" : "<presence/>");
    // RFC 6121 §4.2.2: the server tells it to all available resources, this one included.
    while (awaits_echo_)
        if (!read_more()) throw std::runtime_error{"the connection ended instead of an echo of the initial presence"};
}

void Client::resume(std::unique_ptr<Wire> wire) {
    const auto arrived = received();
    auto unconfirmed = unconfirmed_;
    const auto confirmed = confirmed_;
    open(std::move(wire));
    take("features");
    log_in("secret");
    compress();
    take("features");
    write("<resume xmlns='urn:xmpp:sm:3' h='" + std::to_string(arrived) + "' previd='" + resumption_id_ + "'/>");
    // Nothing may come before <resumed/>, so what follows it is counted on from here.
    arrived_ = arrived;
    const auto answer = receive();
    if (answer.name != "resumed") throw std::runtime_error{"resumption was answered by " + answer.str()};
    const auto counted = number(answer, "h") - confirmed;
    if (counted > unconfirmed.size()) throw std::runtime_error{"the server counts more than it was sent"};
    unconfirmed.erase(unconfirmed.begin(), unconfirmed.begin() + counted);
    unconfirmed_ = unconfirmed;
    confirmed_ = confirmed + counted;
    for (const auto& stanza : unconfirmed) write(stanza);
}

void Client::refused_resumption(std::unique_ptr<Wire> wire) {
    open(std::move(wire));
    take("features");
    log_in("secret");
    compress();
    take("features");
    write("<resume xmlns='urn:xmpp:sm:3' h='" + std::to_string(arrived_) + "' previd='" + resumption_id_ + "'/>");
    const auto answer = receive();
    if (answer.name != "failed") throw std::runtime_error{"resumption was answered by " + answer.str()};
    drop();
}

void Client::disconnect() {
    acknowledge();
    write("</stream:stream>");
    await_end();
    close();
}

void Client::drop() { close(); }

void Client::await_end() {
    while (read_more()) {
    }
}

void Client::close() {
    wire_.reset();
    is_bound_ = false;
}

// --- talking
// --------------------------------------------------------------------------------------------------------------

void Client::send(const std::string& xml) {
    write(xml);
    for (const auto& node : read_fragment(xml)) {
        if (node.name == "enable") {
            counts_out_ = true;
            sent_ = confirmed_ = 0;
            unconfirmed_.clear();
        } else if (node.space == csi_space) {
            is_inactive_ = node.name == "inactive";
        } else if (counts_out_ && node.is_stanza()) {
            ++sent_;
            unconfirmed_.push_back(node.str());
        }
    }
}

void Client::send_part(const std::string& bytes, bool is_last) {
    is_half_sent_ = !is_last;
    write(bytes);
}

void Client::sync() {
    if (!is_bound_ || is_half_sent_ || has_ended_ || !wire_) return;
    if (is_inactive_) return sync_unnoticed();
    request("get", "<ping xmlns='urn:xmpp:ping'/>", domain_);
}

/// XEP-0352: the answer to an iq would bring along what the server holds back; one at the level of the stream does not.
void Client::sync_unnoticed() {
    const auto before = acks_.size();
    was_refused_count_ = false;
    write("<r xmlns='urn:xmpp:sm:3'/>");
    while (acks_.size() == before && !was_refused_count_ && read_more()) {
    }
    if (acks_.size() > before) acks_.pop_back();
}

void Client::sync_despite_a_fault() {
    const auto first = ask("get", "<ping xmlns='urn:xmpp:ping'/>", domain_);
    const auto second = ask("get", "<ping xmlns='urn:xmpp:ping'/>", domain_);
    while (!replies_.contains(first) && !replies_.contains(second) && read_more()) {
    }
}

std::string Client::ask(const std::string& type, const std::string& payload, const std::string& to) {
    auto id = "play-" + std::to_string(++requests_);
    const auto address = to.empty() ? "" : " to='" + to + "'";
    send("<iq type='" + type + "' id='" + id + "'" + address + ">" + payload + "</iq>");
    return id;
}

Node Client::request(const std::string& type, const std::string& payload, const std::string& to) {
    const auto id = ask(type, payload, to);
    while (!replies_.contains(id)) {
        if (read_more()) continue;
        if (is_bound_) return {};   // the play says whether the stream should have ended
        throw std::runtime_error{"the connection ended instead of an answer to " + payload};
    }
    auto answer = std::move(replies_.at(id));
    replies_.erase(id);
    return answer;
}

void Client::write(std::string_view bytes) { wire_->write(bytes); }

// --- listening
// --------------------------------------------------------------------------------------------------------------

bool Client::read_more() {
    if (has_ended_ || !wire_) return false;
    const auto bytes = wire_->read(patience);
    if (bytes.empty()) {
        has_ended_ = true;
        return false;
    }
    reader_.feed(bytes);
    for (auto& arrived = reader_.arrived(); !arrived.empty();) {
        auto node = std::move(arrived.front());
        arrived.pop_front();
        sort_in(std::move(node));
    }
    return true;
}

void Client::sort_in(Node node) {
    if (node.name == "error" && node.space == streams_space) {
        error_ = std::move(node);
    } else if (node.is_stanza()) {
        sort_in_stanza(std::move(node));
    } else if (node.space == sm_space && node.name == "r") {
        write("<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(received()) + "'/>");
    } else if (node.space == sm_space && node.name == "a") {
        for (const auto counted = number(node, "h"); confirmed_ != counted && !unconfirmed_.empty(); ++confirmed_)
            unconfirmed_.pop_front();
        acks_.push_back(std::move(node));
    } else if (is_inactive_ && node.space == sm_space && node.name == "failed") {
        was_refused_count_ = true;
    } else {
        if (node.space == sm_space && node.name == "enabled") {
            arrived_ = 0;
            counts_in_ = true;
            const auto* id = node.attribute("id");
            resumption_id_ = id != nullptr ? *id : "";
        } else if (node.space == sm_space && node.name == "resumed") {
            counts_in_ = counts_out_ = is_bound_ = true;
        }
        inbox_.push_back({std::move(node), 0});
    }
}

void Client::sort_in_stanza(Node node) {
    const auto count = counts_in_ ? ++arrived_ : 0;
    if (awaits_echo_ && is_own_presence(node)) {
        awaits_echo_ = false;
        return;
    }
    const auto* id = node.attribute("id");
    const auto* type = node.attribute("type");
    if (node.name == "iq" && id != nullptr && type != nullptr) {
        if (id->starts_with("play-") && (*type == "result" || *type == "error")) {
            auto key = *id;
            replies_[key] = std::move(node);
            return;
        }
        // RFC 6121 §2.1.6: a client answers a push; no play wants to read that.
        if (is_roster_push(node)) send("<iq type='result' id='" + *id + "'/>");
    }
    if (!is_ignored(node)) inbox_.push_back({std::move(node), count});
}

bool Client::is_own_presence(const Node& stanza) const {
    const auto* from = stanza.attribute("from");
    return stanza.name == "presence" && from != nullptr && *from == jid_ && stanza.attribute("type") == nullptr;
}

bool Client::is_ignored(const Node& stanza) const {
    const auto* type = stanza.attribute("type");
    const bool is_status = type == nullptr || *type == "unavailable";
    return (stanza.name == "presence" && is_status && ignored_.contains("presence")) ||
           (is_roster_push(stanza) && ignored_.contains("roster pushes"));
}

Node Client::take(std::string_view name) {
    while (true) {
        const auto found =
            std::ranges::find(inbox_, name, [](const Letter& l) -> const std::string& { return l.node.name; });
        if (found != inbox_.end()) {
            auto node = std::move(found->node);
            inbox_.erase(found);
            return node;
        }
        if (!read_more())
            throw std::runtime_error{"the connection ended before <" + std::string{name} + "> came" +
                                     (error_ ? ": " + error_->str() : "")};
    }
}

Node Client::receive() {
    while (true) {
        if (auto node = poll_inbox()) return std::move(*node);
        if (!read_more())
            throw std::runtime_error{"the connection ended" + (error_ ? " with " + error_->str() : std::string{})};
    }
}

std::optional<Node> Client::poll_inbox() {
    if (inbox_.empty()) return std::nullopt;
    auto node = std::move(inbox_.front().node);
    inbox_.pop_front();
    return node;
}

void Client::ignore(const std::string& kind) {
    if (kind != "presence" && kind != "roster pushes") throw std::runtime_error{"nobody can ignore " + kind};
    ignored_.insert(kind);
    std::erase_if(inbox_, [this](const Letter& letter) { return is_ignored(letter.node); });
}

Node Client::receive_ack() {
    while (acks_.empty())
        if (!read_more()) throw std::runtime_error{"the connection ended before <a/> came"};
    auto ack = std::move(acks_.front());
    acks_.pop_front();
    return ack;
}

std::uint32_t Client::received() const noexcept {
    for (const auto& letter : inbox_)
        if (letter.number != 0) return letter.number - 1;
    return arrived_;
}

void Client::acknowledge() {
    if (counts_in_ && wire_) write("<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(received()) + "'/>");
}

std::string Client::unread() const {
    std::string out;
    for (const auto& letter : inbox_) out += "\n    " + letter.node.str();
    return out;
}

}   // namespace play
