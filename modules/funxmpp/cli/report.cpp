#include "report.hpp"

#include <cmath>
#include <iostream>

#include "server/json.hpp"

namespace tambo::funxmpp {

namespace {

constexpr std::string_view receipts_space = "urn:xmpp:receipts";

std::string wire_of(const SessionWish& wish, const Link& link) {
    if (!link.is_binary()) return "XML";
    const std::string dialect =
        wish.login.dialect == Dialect::page ? "FunXMPP, page " + std::to_string(page_version) : "FunXMPP, classic";
    return dialect + (wish.login.entry == Entry::direct ? ", direct" : ", as a stream feature");
}

std::string management_of(const Bound& bound) {
    if (bound.sm_id.empty()) return "no acknowledgements";
    return bound.is_resumable ? "acknowledgements, resumable" : "acknowledgements";
}

long saved_percent(const Traffic& traffic) {
    if (traffic.xml == 0) return 0;
    constexpr double whole = 100.0;
    return std::lround(whole * (1.0 - static_cast<double>(traffic.bytes) / static_cast<double>(traffic.xml)));
}

void write_traffic(std::ostream& out, const char* direction, const Traffic& traffic) {
    out << direction << traffic.bytes << " bytes, XML would have been " << traffic.xml << ": " << saved_percent(traffic)
        << " % saved\n";
}

void add_traffic(Json& json, std::string_view direction, const Traffic& traffic) {
    json.object(direction).member("bytes", traffic.bytes).member("xml", traffic.xml).end();
}

Json& describe(Json& json, const SessionWish& wish, const Bound& bound, const Link& link) {
    return json.member("jid", bound.jid)
        .member("wire", wire_of(wish, link))
        .member("tls", link.tls_version())
        .member("mechanism", bound.mechanism)
        .member("stream_management", management_of(bound));
}

}   // namespace

void report_login(const SessionWish& wish, const Bound& bound, const Link& link, std::ostream& out) {
    if (wish.is_json) {
        Json json;
        describe(json.object(), wish, bound, link).end();
        out << json.take() << std::endl;   // flushed: somebody may wait for it
        return;
    }
    out << bound.jid << "\nwire: " << wire_of(wish, link) << "\nTLS: " << link.tls_version()
        << "\nmechanism: " << bound.mechanism << "\nstream management: " << management_of(bound) << std::endl;
}

void report_end(const SessionWish& wish, const Bound& bound, const Link& link, std::ostream& out) {
    if (wish.is_json) {
        Json json;
        describe(json.object(), wish, bound, link);
        add_traffic(json, "in", link.in());
        add_traffic(json, "out", link.out());
        out << json.end().take() << std::endl;
        return;
    }
    if (wish.verb != Verb::listen) report_login(wish, bound, link, out);
    write_traffic(out, "in:  ", link.in());
    write_traffic(out, "out: ", link.out());
    out << std::flush;
}

void report_message(Element message, const std::string& xml, bool is_json) {
    const auto body = message.child("body").text();
    const auto received = message.child("received", receipts_space).attribute("id");
    if (is_json) {
        Json json;
        json.object().member("from", message.attribute("from")).member("type", message.attribute("type"));
        json.member("id", message.attribute("id")).member("body", body).member("receipt_for", received);
        std::cout << json.member("xml", xml).end().take() << std::endl;
        return;
    }
    std::cout << json_safe(message.attribute("from")) << ": ";
    if (!received.empty())
        std::cout << "(has received " << json_safe(received) << ")";
    else
        std::cout << (body.empty() ? "(no text)" : json_safe(body));
    std::cout << std::endl;
}

}   // namespace tambo::funxmpp
