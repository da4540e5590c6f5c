#include "client.hpp"

#include <algorithm>
#include <charconv>
#include <coroutine>
#include <exception>
#include <utility>

#include <tambo/bytes.hpp>

#include "scram.hpp"

namespace load {

namespace {

constexpr std::string_view sasl_space = "urn:ietf:params:xml:ns:xmpp-sasl";
constexpr std::string_view sm_space = "urn:xmpp:sm:3";
constexpr std::uint32_t stanzas_between_requests = 8;
constexpr int login_attempts = 20;   // each may be cut by another reload

std::uint32_t number(const Node& node, std::string_view attribute) {
    const auto* text = node.attribute(attribute);
    std::uint32_t value = 0;
    if (text != nullptr) std::from_chars(text->data(), text->data() + text->size(), value);
    return value;
}

std::string base64_of(std::string_view bytes) { return tambo::base64(bytes); }

}   // namespace

/// Runs at once; its owner destroys it, wherever it waits.
struct Client::Life {
    struct promise_type {
        Life get_return_object() { return Life{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }   // impossible: live() catches everything
    };
    std::coroutine_handle<promise_type> handle;
};

Client::Client(World& world, std::string user, std::string resource, Wire wire)
    : world_(world),
      user_(std::move(user)),
      resource_(std::move(resource)),
      name_(user_ + "/" + resource_ +
            (wire == Wire::funxmpp        ? " (FunXMPP)"
             : wire == Wire::xml_over_tls ? " (TLS)"
                                          : "")),
      wire_(wire) {}

Client::~Client() {
    if (life_) life_.destroy();
}

void Client::start() { life_ = live().handle; }

Client::Life Client::live() {
    try {
        auto whole = script();
        co_await std::move(whole);
    } catch (const Dropped& e) {
        world_.ledger.complain(world_.ledger.dropped, name_ + " was dropped: " + e.what());
    } catch (const std::exception& e) {
        world_.ledger.complain(world_.ledger.refused, name_ + ": " + e.what());
    }
    is_bound_ = false;
    stream_.reset();
    done_ = true;
}

// --- elements

tambo::Task<Node> Client::read() {
    auto waiting = stream_->next();
    auto came = co_await std::move(waiting);
    if (!came) throw Dropped{stream_->why_it_ended()};
    if (came->name == "error" && came->space == "http://etherx.jabber.org/streams") throw Dropped{came->str()};
    co_return std::move(*came);
}

tambo::Task<Node> Client::next() {
    for (;;) {
        auto reading = read();
        auto node = co_await std::move(reading);
        if (!take_care_of(node)) co_return node;
    }
}

/// What comes before it is heard as always.
tambo::Task<Node> Client::wait_for(std::string name) {
    for (;;) {
        auto reading = next();
        auto node = co_await std::move(reading);
        if (node.name == name) co_return node;
        hear(node);
    }
}

std::string Client::acknowledgement() const { return "<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(heard_) + "'/>"; }

bool Client::take_care_of(const Node& node) {
    if (is_counting_ && node.is_stanza()) ++heard_;
    if (node.space != sm_space) return false;
    if (node.name == "r")
        send_element(acknowledgement());
    else if (node.name == "a")
        acknowledged(node);
    else
        return false;
    return true;
}

void Client::acknowledged(const Node& node) {
    for (const auto h = number(node, "h"); confirmed_ != h && !unconfirmed_.empty(); ++confirmed_)
        unconfirmed_.pop_front();
}

void Client::send(const std::string& stanza) {
    stream_->send(stanza);
    if (!is_counting_) return;
    unconfirmed_.push_back(stanza);
    if (unconfirmed_.size() % stanzas_between_requests == 0) stream_->send("<r xmlns='urn:xmpp:sm:3'/>");
}

tambo::Task<Node> Client::ask(std::string type, std::string payload, std::string to) {
    const auto id = "ask-" + std::to_string(++asked_);
    send("<iq type='" + type + "' id='" + id + "'" + (to.empty() ? "" : " to='" + to + "'") + ">" + payload + "</iq>");
    for (;;) {
        auto waiting = wait_for("iq");
        auto answer = co_await std::move(waiting);
        const auto* its = answer.attribute("id");
        if (its == nullptr || *its != id) continue;
        ++world_.ledger.requests;
        const auto* result = answer.attribute("type");
        if (result == nullptr || *result != "result")
            throw std::runtime_error{payload + " was answered by " + answer.str()};
        co_return answer;
    }
}

// --- coming

void Client::connect() {
    is_bound_ = is_counting_ = false;
    stream_.reset();
    stream_ =
        std::make_unique<Stream>(world_.loop, world_.port, wire_ == Wire::funxmpp ? speak_funxmpp() : speak_xml());
    stream_->open(world_.domain);
}

tambo::Task<void> Client::log_in(Mechanism mechanism) {
    connect();
    auto features = wait_for("features");
    co_await std::move(features);
    if (wire_ == Wire::xml_over_tls) {
        auto encrypting = encrypt();
        co_await std::move(encrypting);
    }
    for (int attempt = 1;; ++attempt) {
        auto trying = authenticate(mechanism);
        if (co_await std::move(trying)) break;
        ++world_.ledger.retried_logins;
        if (attempt == login_attempts) throw std::runtime_error{"cannot log in, however often"};
    }
    ++world_.ledger.logins;
    stream_->open(world_.domain);
    auto more = wait_for("features");
    co_await std::move(more);
}

tambo::Task<void> Client::encrypt() {
    send_element("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    auto waiting = wait_for("proceed");
    co_await std::move(waiting);
    stream_->start_tls();
    stream_->open(world_.domain);
    auto features = wait_for("features");
    co_await std::move(features);
}

/// False: temporary-auth-failure, which is what an exchange in flight may get while a module is swapped.
tambo::Task<bool> Client::authenticate(Mechanism mechanism) {
    Scram scram{user_, world_.password};
    const bool is_plain = mechanism == Mechanism::plain;
    const auto first = is_plain ? std::string{'\0'} + user_ + '\0' + world_.password : scram.first();
    send_element("<auth xmlns='" + std::string{sasl_space} + "' mechanism='" + (is_plain ? "PLAIN" : "SCRAM-SHA-256") +
                 "'>" + base64_of(first) + "</auth>");
    for (;;) {
        auto reading = next();
        const auto node = co_await std::move(reading);
        if (node.name == "success") co_return true;
        if (node.name == "failure" && node.child("temporary-auth-failure") != nullptr) co_return false;
        if (node.name != "challenge") throw std::runtime_error{"<auth/> was answered by " + node.str()};
        const auto challenge = tambo::from_base64(node.text);
        send_element("<response xmlns='" + std::string{sasl_space} + "'>" +
                     base64_of(scram.answer(challenge ? *challenge : "")) + "</response>");
    }
}

tambo::Task<void> Client::bind() {
    const auto wish = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource_ + "</resource></bind>";
    auto asking = ask("set", wish, {});
    const auto answer = co_await std::move(asking);
    const auto* bound = answer.child("bind");
    const auto* jid = bound != nullptr ? bound->child("jid") : nullptr;
    if (jid == nullptr) throw std::runtime_error{"no JID in " + answer.str()};
    jid_ = jid->text;
    is_bound_ = true;
}

tambo::Task<void> Client::enable_resumption() {
    send_element("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    heard_ = confirmed_ = 0;
    unconfirmed_.clear();
    auto waiting = wait_for("enabled");
    const auto enabled = co_await std::move(waiting);
    const auto* id = enabled.attribute("id");
    if (id == nullptr) throw std::runtime_error{"no resumption: " + enabled.str()};
    resumption_id_ = *id;
    is_counting_ = true;
    heard_ = 0;
}

tambo::Task<void> Client::resume() {
    auto logging_in = log_in();   // cuts the old one
    co_await std::move(logging_in);
    send_element("<resume xmlns='urn:xmpp:sm:3' h='" + std::to_string(heard_) + "' previd='" + resumption_id_ + "'/>");
    auto waiting = read();
    const auto answer = co_await std::move(waiting);
    if (answer.name != "resumed") throw std::runtime_error{"<resume/> was answered by " + answer.str()};
    ++world_.ledger.resumptions;
    is_bound_ = is_counting_ = true;
    acknowledged(answer);
    for (const auto& stanza : unconfirmed_) stream_->send(stanza);
}

tambo::Task<void> Client::log_out() {
    is_bound_ = false;
    // XEP-0198 §4: else the server gives the last few to other resources of the account.
    if (is_counting_) send_element(acknowledgement());
    stream_->say_goodbye();
    for (;;) {
        auto waiting = stream_->next();
        const auto came = co_await std::move(waiting);
        if (!came) break;
        if (!take_care_of(*came)) hear(*came);
    }
    if (stream_->why_it_ended() != closed_politely) throw Dropped{"at the end: " + stream_->why_it_ended()};
    stream_.reset();
    is_counting_ = false;
}

}   // namespace load
