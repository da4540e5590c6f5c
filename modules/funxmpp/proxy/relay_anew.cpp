// What a lost session knew, and its client believes: a new one is told the former, the client the latter.
#include <utility>
#include <vector>

#include "relay.hpp"

namespace tambo::funxmpp {

namespace {

constexpr std::string_view roster_space = "jabber:iq:roster";
constexpr std::string_view carbons_space = "urn:xmpp:carbons:2";
constexpr std::string_view our_ids = "funxmpp-proxy-";
constexpr std::size_t most_requests = 1000, most_contacts = 10'000;

bool is_request(Element stanza) {
    const auto type = stanza.attribute("type");
    return stanza.name() == "iq" && (type == "get" || type == "set");
}

}   // namespace

bool Relay::answers_us(Element stanza) {
    return stanza.name() == "iq" && !is_request(stanza) && stanza.attribute("id").starts_with(our_ids);
}

void Relay::remember(Element stanza, const std::string& xml) {
    const auto type = stanza.attribute("type");
    if (stanza.name() == "presence" && !stanza.has_attribute("to")) {
        if (type.empty()) setup_.presence = xml;
        if (type == "unavailable") setup_.presence.clear();
    }
    if (!is_request(stanza)) return;
    if (stanza.child("query", roster_space)) setup_.wants_roster = true;
    if (stanza.child("enable", carbons_space)) setup_.wants_carbons = true;
    if (stanza.child("disable", carbons_space)) setup_.wants_carbons = false;
    remember_request(stanza);
}

void Relay::remember_request(Element iq) {
    if (requests_.size() == most_requests) requests_.pop_front();
    requests_.push_back({std::string{iq.attribute("id")}, std::string{iq.attribute("to")}, said_});
}

void Relay::notice(Element stanza) {
    if (stanza.name() == "presence") return notice_contact(stanza);
    if (stanza.name() != "iq" || is_request(stanza)) return;
    forget_request(stanza);
    if (answers_us(stanza)) push_roster(stanza);
}

void Relay::notice_contact(Element presence) {
    const std::string from{presence.attribute("from")};
    if (from.empty() || from == bare_jid_ + '/' + current_->resource) return;
    if (presence.attribute("type") == "unavailable") contacts_.erase(from);
    if (presence.attribute("type").empty() && contacts_.size() < most_contacts) contacts_.insert(from);
}

void Relay::forget_request(Element answer) {
    std::erase_if(requests_, [&](const Request& request) { return request.id == answer.attribute("id"); });
}

void Relay::begin_anew(const Bound& bound) {
    const bool is_first = !std::exchange(was_bound_, true);
    current_->sm_id = bound.is_resumable ? bound.sm_id : "";
    current_->heard = current_->handled = 0;
    has_unhandled_ = false;
    outbox_.note(*current_);
    if (!serves_client()) return;
    if (bound.jid != bare_jid_ + '/' + current_->resource)
        return doors_.close_client("reset", "the server gave another resource");
    if (!is_first) {
        refuse_lost_requests();
        forget_contacts();
        const auto first = prelude();
        outbox_.add_first(current_->id, first);
        acked_ -= static_cast<std::int64_t>(first.size());
    }
    for (const auto& stanza : bound.early) doors_.tell_client(stanza);
}

/// Their answers went to the session that is no more.
void Relay::refuse_lost_requests() {
    for (const auto& request : std::exchange(requests_, {})) {
        if (request.number <= acked_)
            send_stanza_error("iq", request, "remote-server-timeout");
        else
            requests_.push_back(request);
    }
}

/// Who is still there is said anew, when the server has the presence that is said again.
void Relay::forget_contacts() {
    for (const auto& contact : std::exchange(contacts_, {}))
        doors_.tell_client(
            Writer{}.element("presence").attribute("from", contact).attribute("type", "unavailable").take());
}

std::vector<std::string> Relay::prelude() {
    std::vector<std::string> first;
    const auto iq = [&](std::string_view type, std::string_view what) {
        Writer writer;
        writer.element("iq").attribute("type", type).attribute("id", std::string{our_ids} + std::string{what});
        return writer;
    };
    if (setup_.wants_roster) first.push_back(iq("get", "roster").element("query", roster_space).take());
    if (setup_.wants_carbons) first.push_back(iq("set", "carbons").element("enable", carbons_space).take());
    if (!setup_.presence.empty()) first.push_back(setup_.presence);
    return first;
}

/// The roster as it is now, in the way in which a client hears of changes (RFC 6121 §2.1.6).
void Relay::push_roster(Element answer) {
    const auto from = answer.attribute("from");
    if (!from.empty() && from != bare_jid_) return;   // a push is believed, so nobody else may cause one
    for (const auto item : answer.child("query", roster_space).children()) {
        Writer push;
        push.element("iq").attribute("type", "set").attribute("id", std::string{our_ids} + "push");
        doors_.tell_client(push.element("query", roster_space).raw(item.standalone()).take());
    }
}

}   // namespace tambo::funxmpp
