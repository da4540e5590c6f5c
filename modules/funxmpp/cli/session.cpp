#include "session.hpp"

#include <csignal>
#include <iostream>
#include <random>
#include <utility>

#include "report.hpp"

namespace tambo::funxmpp {

namespace {

constexpr std::string_view sm_space = "urn:xmpp:sm:3";
constexpr std::string_view receipts_space = "urn:xmpp:receipts";
constexpr std::string_view ping_space = "urn:xmpp:ping";

std::string fresh_id() {
    std::random_device random;
    return "funxmpp-" + std::to_string(random()) + std::to_string(random());
}

bool is_stanza(Element element) noexcept {
    return element.space() == ns::client &&
           (element.name() == "message" || element.name() == "presence" || element.name() == "iq");
}

/// Nothing is known here of what was asked.
std::string refusal(Element iq) {
    return Writer{}
        .element("iq")
        .attribute("type", "error")
        .attribute_if("to", iq.attribute("from"))
        .attribute("id", iq.attribute("id"))
        .element("error")
        .attribute("type", "cancel")
        .element("service-unavailable", ns::stanza_errors)
        .take();
}

std::string result(Element iq) {
    return Writer{}
        .element("iq")
        .attribute("type", "result")
        .attribute_if("to", iq.attribute("from"))
        .attribute("id", iq.attribute("id"))
        .take();
}

}   // namespace

Session::Session(const SessionWish& wish) : wish_(wish) {}

int Session::run() {
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    signals_.async_wait([this](boost::system::error_code error, int) {
        if (!error) succeed();
    });
    link_.emplace(context_, wish_.target, wish_.login,
                  Link::Events{
                      .bound = [this](const Bound& bound) { this->bound(bound); },
                      .element = [this](const Tape& tape, const std::string& xml) { element(tape, xml); },
                      .ended = [this](const std::string& why, bool) { ended(why); },
                  });
    expect_within_timeout("no session");
    context_.run();
    return code_;
}

void Session::bound(const Bound& bound) {
    bound_ = bound;
    timer_.cancel();
    switch (wish_.verb) {
        case Verb::login:
            return succeed();
        case Verb::send:
            if (bound.sm_id.empty())
                return fail("the server acknowledges nothing (XEP-0198), so this can't be known to arrive");
            return send_message();
        case Verb::listen:
            report_login(wish_, bound_, *link_, std::cerr);
            return send("<presence/>");
    }
}

void Session::send_message() {
    id_ = fresh_id();
    Writer message;
    message.element("message").attribute("to", wish_.to).attribute("type", "chat").attribute("id", id_);
    message.element("body").text(wish_.text).end();
    if (wish_.wants_receipt) {
        message.element("request", receipts_space).end();
        // To be reachable for the receipt, and for nothing else.
        send("<presence><priority>-1</priority></presence>");
    }
    send(message.take());
    link_->send(Writer{}.element("r", sm_space).take());
    expect_within_timeout(wish_.wants_receipt ? "no receipt" : "no acknowledgement of the server");
}

void Session::element(const Tape& tape, const std::string& xml) {
    const Element element{tape, 0};
    if (element.is("r", sm_space)) return acknowledge();
    if (element.is("a", sm_space)) return heard(element);
    if (!is_stanza(element)) return;
    ++handled_;
    stanza(element, xml);
}

void Session::stanza(Element stanza, const std::string& xml) {
    if (stanza.name() == "message") message(stanza, xml);
    if (stanza.name() == "iq") iq(stanza);
}

void Session::message(Element message, const std::string& xml) {
    const auto receipt = message.child("received", receipts_space);
    if (wish_.verb == Verb::send) {
        if (message.attribute("id") == id_ && message.attribute("type") == "error")
            return fail("it came back: " + std::string{message.child("error").child_in(ns::stanza_errors).name()});
        is_received_ = is_received_ || receipt.attribute("id") == id_;
        if (is_heard_ && is_received_) succeed();
        return;
    }
    if (wish_.verb != Verb::listen || is_done_) return;
    report_message(message, xml, wish_.is_json);
    confirm(message);
    if (++messages_ == wish_.count) succeed();
}

/// XEP-0184 §5.
void Session::confirm(Element message) {
    const auto id = message.attribute("id");
    if (!message.child("request", receipts_space) || id.empty() || message.attribute("type") == "error") return;
    send(Writer{}
             .element("message")
             .attribute("to", message.attribute("from"))
             .attribute_if("type", message.attribute("type"))
             .attribute("id", fresh_id())
             .element("received", receipts_space)
             .attribute("id", id)
             .take());
}

void Session::iq(Element iq) {
    const auto type = iq.attribute("type");
    if (type != "get" && type != "set") return;
    send(iq.child("ping", ping_space) ? result(iq) : refusal(iq));
}

void Session::heard(Element ack) {
    is_heard_ = is_heard_ || ack.attribute("h") == std::to_string(sent_);
    if (wish_.verb == Verb::send && is_heard_ && (is_received_ || !wish_.wants_receipt)) succeed();
}

void Session::acknowledge() { link_->send(Writer{}.element("a", sm_space).attribute("h", handled_).take()); }

void Session::send(const std::string& stanza) {
    ++sent_;
    link_->send(stanza);
}

void Session::succeed() {
    if (std::exchange(is_done_, true)) return;
    code_ = 0;
    if (!bound_.sm_id.empty() && handled_ > 0) acknowledge();
    link_->finish();
    expect_within_timeout("");
    if (bound_.jid.empty()) ended({});   // interrupted before there was anything to end
}

void Session::fail(const std::string& why) {
    if (std::exchange(is_done_, true)) return;
    std::cerr << "funxmpp-cli: " << why << '\n';
    link_->finish();
    ended({});
}

/// The last thing that happens.
void Session::ended(const std::string& why) {
    timer_.cancel();
    signals_.cancel();
    if (!is_done_) std::cerr << "funxmpp-cli: " << why << '\n';
    if (code_ == 0 && !bound_.jid.empty())
        report_end(wish_, bound_, *link_, wish_.verb == Verb::listen ? std::cerr : std::cout);
    is_done_ = true;
    context_.stop();
}

/// An empty `what`: then it is over, and well.
void Session::expect_within_timeout(const std::string& what) {
    constexpr std::chrono::seconds patience_with_farewells{3};
    timer_.expires_after(what.empty() ? patience_with_farewells : wish_.timeout);
    timer_.async_wait([this, what](boost::system::error_code error) {
        if (error) return;
        if (what.empty()) return ended({});
        fail(what + " within " + std::to_string(wish_.timeout.count()) + " s");
    });
}

}   // namespace tambo::funxmpp
