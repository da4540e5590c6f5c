#include "relay.hpp"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

namespace tambo::funxmpp {

namespace {

constexpr std::string_view sm_space = "urn:xmpp:sm:3";
constexpr std::uint64_t most_unheard = 500;   // stanzas on the wire without acknowledgement

std::optional<std::uint32_t> number(std::string_view digits) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

}   // namespace

Relay::Relay(Outbox& outbox, std::string bare_jid, Doors& doors)
    : outbox_(outbox), bare_jid_(std::move(bare_jid)), doors_(doors) {
    choose();
}

// --- the client

void Relay::client_bound(const std::string& resource) {
    client_ = outbox_.sit_down(resource).id;
    setup_ = {};
    requests_.clear();
    contacts_.clear();
    said_ = acked_ = 0;
    if (!current_) choose();
}

void Relay::client_said(Element stanza, const std::string& xml) {
    if (answers_us(stanza)) return;
    if (!outbox_.add(*client_, xml)) return refuse(stanza);
    ++said_;
    remember(stanza, xml);
    if (serves_client()) pump();
}

void Relay::client_took(std::uint32_t stanzas) {
    if (!serves_client() || stanzas > in_flight_) return;
    in_flight_ -= stanzas;
    current_->handled += stanzas;
    outbox_.note(*current_);
    if (answer_due_ && static_cast<std::int32_t>(current_->handled - *answer_due_) >= 0) answer_acknowledgement();
}

void Relay::client_left() {
    if (!client_) return;
    const bool was_served = serves_client();
    client_.reset();
    if (was_served) has_unhandled_ = has_unhandled_ || in_flight_ > 0;
    in_flight_ = 0;
    leave_if_done();
}

/// No room in the outbox: the client has to know that this was not taken.
void Relay::refuse(Element stanza) {
    if (stanza.attribute("type") == "error" || stanza.attribute("type") == "result") return;
    const Request request{std::string{stanza.attribute("id")}, std::string{stanza.attribute("to")}, 0};
    if (stanza.name() != "presence") send_stanza_error(stanza.name(), request, "resource-constraint");
}

void Relay::send_stanza_error(std::string_view name, const Request& request, std::string_view condition) {
    Writer error;
    error.element(name).attribute("type", "error").attribute_if("id", request.id).attribute_if("from", request.to);
    error.element("error").attribute("type", "wait").element(condition, ns::stanza_errors);
    doors_.tell_client(error.take());
}

// --- which sitting is served

/// The oldest that still has something to say, or a session to end.
void Relay::choose() {
    current_.reset();
    for (auto& sitting : outbox_.sittings()) {
        const bool is_here = client_ && sitting.id == *client_;
        if (is_here || !sitting.sm_id.empty() || outbox_.count(sitting.id) > 0) {
            current_ = std::move(sitting);
            has_unhandled_ = was_bound_ = false;
            told_.reset();
            answer_due_.reset();
            return;
        }
        outbox_.leave(sitting.id);
    }
}

void Relay::leave_if_done() {
    if (!current_ || serves_client() || is_leaving_ || outbox_.count(current_->id) > 0) return;
    if (!is_linked_ && !current_->sm_id.empty()) return;   // it is resumed once more, to end it in order
    answer_acknowledgement();   // XEP-0198 §4: the last word, or the server keeps for later what its client has
    outbox_.leave(current_->id);
    current_.reset();
    if (!is_linked_) return choose();
    is_leaving_ = true;
    doors_.finish_server();
}

std::uint64_t Relay::unsent() { return current_ ? outbox_.count(current_->id) : 0; }

// --- the server

std::optional<Resumption> Relay::resumption() const {
    if (current_->sm_id.empty()) return std::nullopt;
    return Resumption{current_->sm_id, current_->handled};
}

void Relay::server_bound(const Bound& bound) {
    is_linked_ = true;
    is_asking_ = false;
    written_ = 0;
    told_.reset();
    answer_due_.reset();
    // What the old session heard need not be said again, whether it goes on or not.
    if (bound.heard && !acknowledge(*bound.heard) && bound.is_resumed) return abandon_session();
    if (bound.sm_id.empty()) {
        doors_.close_client("undefined-condition", "the server does not acknowledge what it gets (XEP-0198)");
        return doors_.drop_server();
    }
    if (!bound.is_resumed) begin_anew(bound);
    leave_if_done();
    if (!current_) return;
    pump();
}

void Relay::server_said(Element element, const std::string& xml) {
    if (!current_) return;   // on its way out
    if (element.is("r", sm_space)) {
        answer_due_ = current_->handled + in_flight_;
        if (in_flight_ == 0) answer_acknowledgement();
    } else if (element.is("a", sm_space)) {
        if (const auto h = number(element.attribute("h"))) heard(*h);
    } else if (element.space() == ns::client) {
        if (serves_client()) notice(element);
        for_client(answers_us(element) ? std::string{} : xml);
    }
}

void Relay::for_client(const std::string& stanza) {
    if (!serves_client() || has_unhandled_) {
        has_unhandled_ = true;   // from here on nothing counts, because counting knows no gaps
        return;
    }
    ++in_flight_;
    doors_.to_client(stanza);
}

/// The server asks again at once if something is left, so with a client that is gone the same h is said only once.
void Relay::answer_acknowledgement() {
    answer_due_.reset();
    if (!is_linked_ || (has_unhandled_ && told_ == current_->handled)) return;
    told_ = current_->handled;
    doors_.to_server(Writer{}.element("a", sm_space).attribute("h", *told_).take());
}

void Relay::heard(std::uint32_t h) {
    if (h - current_->heard > written_) return abandon_session();
    is_asking_ = false;
    acknowledge(h);
    leave_if_done();
    if (current_) pump();
}

/// The two ends remember different things, so there is nothing to go on with.
void Relay::abandon_session() {
    current_->sm_id.clear();
    outbox_.note(*current_);
    doors_.drop_server();
}

/// False if the server claims to have more than there is.
bool Relay::acknowledge(std::uint32_t h) {
    const std::uint32_t news = h - current_->heard;
    if (news > outbox_.count(current_->id)) return false;
    outbox_.acknowledge(*current_, news, h);
    written_ -= std::min<std::uint64_t>(news, written_);
    if (serves_client()) acked_ += news;
    return true;
}

void Relay::pump() {
    if (!is_linked_ || is_leaving_ || written_ >= most_unheard) return;
    for (const auto& stanza : outbox_.read(current_->id, written_, most_unheard - written_)) {
        ++written_;
        doors_.to_server(stanza);
    }
    ask();
}

/// One question at a time: the next follows its answer.
void Relay::ask() {
    if (is_asking_ || written_ == 0) return;
    is_asking_ = true;
    doors_.to_server(Writer{}.element("r", sm_space).take());
}

void Relay::server_lost() {
    is_linked_ = is_asking_ = false;
    written_ = 0;
    answer_due_.reset();
    if (std::exchange(is_leaving_, false) || !current_) choose();
    leave_if_done();
}

}   // namespace tambo::funxmpp
