// How a client gets from the stream's features to a session: RFC 6120, XEP-0077, XEP-0198.
#include <fmt/format.h>

#include "client.hpp"
#include "xml.hpp"

namespace bench {

void Client::negotiate(std::string_view xml) {
    switch (state_) {
        case State::features:
            return is_element(xml, "stream:features") ? offered(xml) : fail(&Counters::odd);
        case State::proceed:
            if (!is_element(xml, "proceed")) return fail(&Counters::no_tls);
            return start_tls(*run_.tls, false, run_.options.domain.c_str());
        case State::challenged:
            return is_element(xml, "challenge") ? answer_challenge(xml) : fail(&Counters::refused);
        case State::proven:
            return is_element(xml, "success") ? is_proven(xml) : fail(&Counters::refused);
        case State::features_again:
            return is_element(xml, "stream:features") ? bind(xml) : fail(&Counters::odd);
        case State::bound:
            return is_bound(xml);
        case State::session:
            return attribute(xml, "type") == "result" ? manage() : fail(&Counters::odd);
        case State::enabled:
            counts_ = is_element(xml, "enabled");
            return appear();
        case State::registered:
            return is_registered(xml);
        default:
            return;
    }
}

void Client::offered(std::string_view features) {
    if (!run_.options.tls || is_secure()) return authenticate(features);
    if (features.find("urn:ietf:params:xml:ns:xmpp-tls") == std::string_view::npos) return fail(&Counters::no_tls);
    say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    state_ = State::proceed;
}

void Client::authenticate(std::string_view features) {
    const auto name = run_.user(number_), password = run_.password(number_);
    if (run_.options.command == "register") {
        say(
            fmt::format("<iq type='set' id='register'><query xmlns='jabber:iq:register'><username>{}</username>"
                        "<password>{}</password></query></iq>",
                        name, password));
        state_ = State::registered;
        return;
    }
    const bool is_plain = run_.options.mechanism == "plain";
    const std::string mechanism = is_plain ? "PLAIN" : "SCRAM-SHA-1";
    if (features.find('>' + mechanism + '<') == std::string_view::npos) return fail(&Counters::refused);
    if (!is_plain) scram_ = std::make_unique<Scram>(number_, name);
    const auto first = is_plain ? to_base64('\0' + name + '\0' + password) : scram_->first();
    say(fmt::format("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{}'>{}</auth>", mechanism, first));
    state_ = is_plain ? State::proven : State::challenged;
}

void Client::answer_challenge(std::string_view xml) {
    const auto answer = scram_->answer(text_of(xml, "<challenge"), run_.password(number_), run_.scram_keys);
    if (answer.empty()) return fail(&Counters::refused);
    say(fmt::format("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</response>", answer));
    state_ = State::proven;
}

void Client::is_proven(std::string_view xml) {
    if (scram_ && !scram_->proves(text_of(xml, "<success"))) return fail(&Counters::refused);
    scram_.reset();
    state_ = State::features_again;
    open_stream();
}

void Client::bind(std::string_view features) {
    can_count_ = features.find("urn:xmpp:sm:3") != std::string_view::npos;
    // RFC 3921's session, where it isn't optional.
    const auto session = features.find("<session");
    needs_session_ =
        session != std::string_view::npos &&
        features.substr(session, element_length(features.substr(session))).find("<optional") == std::string_view::npos;
    say("<iq type='set' id='bind'><bind "
        "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>");
    state_ = State::bound;
}

void Client::is_bound(std::string_view xml) {
    jid_ = text_of(xml, "<jid");
    if (attribute(xml, "type") != "result" || jid_.empty()) return fail(&Counters::odd);
    if (!needs_session_) return manage();
    say("<iq type='set' id='session'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
    state_ = State::session;
}

void Client::manage() {
    if (!run_.options.management || !can_count_) return appear();
    say("<enable xmlns='urn:xmpp:sm:3'/>");
    state_ = State::enabled;
}

void Client::appear() {
    handled_ = 0;
    if (run_.options.roster) say("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
    if (!run_.with_presence) return become_ready();
    say("<presence/>");
    ping("here");
    state_ = State::roll_call;
}

void Client::is_registered(std::string_view xml) {
    if (xml.find("<conflict") != std::string_view::npos)
        ++run_.counters.existed;
    else if (attribute(xml, "type") != "result")
        return fail(&Counters::refused);
    become_ready();
}

}   // namespace bench
