#include "local_stream.hpp"

#include <algorithm>
#include <random>

namespace tambo::funxmpp {

namespace {

constexpr std::string_view sasl_space = "urn:ietf:params:xml:ns:xmpp-sasl";
constexpr std::string_view bind_space = "urn:ietf:params:xml:ns:xmpp-bind";
constexpr std::string_view session_space = "urn:ietf:params:xml:ns:xmpp-session";
constexpr std::string_view ping_space = "urn:xmpp:ping";
constexpr XmppStream::Bounds strangers_bounds{.element = std::size_t{10} * 1024, .nodes = 100};
constexpr XmppStream::Bounds clients_bounds{.element = std::size_t{256} * 1024, .nodes = 10'000};
constexpr int most_failures = 3;
constexpr std::size_t most_resource_bytes = 1023;   // RFC 7622

std::string result_of(Element request, std::string_view content = {}) {
    return Writer{}
        .element("iq")
        .attribute("type", "result")
        .attribute("id", request.attribute("id"))
        .attribute_if("from", request.attribute("to"))
        .raw(content)
        .take();
}

}   // namespace

std::string random_name() {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz234567";
    std::random_device random;
    std::string name(16, ' ');
    for (auto& c : name) c = letters[random() % letters.size()];
    return name;
}

LocalStream::LocalStream(const Credentials& account) : account_(account), stream_(std::nullopt, strangers_bounds) {}

LocalStream::Kind LocalStream::next(std::string& out) {
    while (!is_closed_) {
        const auto came = stream_.next(tape_, xml_);
        auto kind = Kind::nothing;
        switch (came.kind) {
            case Came::Kind::nothing:
                return Kind::nothing;
            case Came::Kind::header:
                kind = header(out);
                break;
            case Came::Kind::footer:
                stream_.write_footer(out);
                is_closed_ = true;
                break;
            case Came::Kind::refused:
                return give_up(out, came.why);
            case Came::Kind::element:
                kind = read(out);
        }
        if (kind != Kind::nothing) return kind;
    }
    return Kind::closed;
}

LocalStream::Kind LocalStream::header(std::string& out) {
    const auto to = element().attribute("to");
    has_header_ = true;
    stream_.write_header(out, {.id = random_name(), .from = account_.domain, .to = {}});
    if (!to.empty() && to != account_.domain) return give_up(out, "host-unknown");
    Writer features;
    features.element("stream:features");
    if (is_authenticated_) {
        features.element("bind", bind_space).end();
        features.element("session", session_space).element("optional").end().end();
    } else {
        features.element("mechanisms", sasl_space);
        for (const auto& name : local_mechanisms()) features.element("mechanism").text(name).end();
    }
    stream_.write(out, features.take());
    return Kind::nothing;
}

LocalStream::Kind LocalStream::read(std::string& out) {
    const auto said = element();
    if (!is_authenticated_) return authenticate(said, out);
    if (said.space() != ns::client) return give_up(out, "unsupported-stanza-type");
    if (!is_bound_) return bind(said, out);
    return stanza(said, out);
}

LocalStream::Kind LocalStream::authenticate(Element said, std::string& out) {
    if (said.is("auth", sasl_space)) {
        const std::string mechanism{said.attribute("mechanism")};
        if (std::ranges::find(local_mechanisms(), mechanism) == local_mechanisms().end())
            return refuse("invalid-mechanism", out);
        exchange_.emplace(SaslExchange::Role::server, mechanism, account_);
        return step(said.text(), out);
    }
    if (said.is("response", sasl_space) && exchange_) return step(said.text(), out);
    if (said.is("abort", sasl_space)) return refuse("aborted", out);
    return give_up(out, "not-authorized");
}

LocalStream::Kind LocalStream::step(std::string_view message, std::string& out) {
    using State = SaslExchange::Step::State;
    const auto step = exchange_->step(message);
    if (step.state == State::failed) return refuse("not-authorized", out);
    Writer answer;
    answer.element(step.state == State::done ? "success" : "challenge", sasl_space).text(step.message);
    stream_.write(out, answer.take());
    if (step.state == State::onward) return Kind::nothing;
    exchange_.reset();
    is_authenticated_ = true;
    has_header_ = false;
    stream_.restart();
    stream_.set_bounds(clients_bounds);
    return Kind::nothing;
}

LocalStream::Kind LocalStream::refuse(std::string_view condition, std::string& out) {
    exchange_.reset();
    stream_.write(out, Writer{}.element("failure", sasl_space).element(condition).take());
    return ++failures_ < most_failures ? Kind::nothing : give_up(out, "policy-violation");
}

LocalStream::Kind LocalStream::bind(Element request, std::string& out) {
    const auto wish = request.child("bind", bind_space);
    if (request.name() != "iq" || request.attribute("type") != "set" || !wish) return give_up(out, "not-authorized");
    resource_ = wish.child("resource").text();
    if (resource_.empty() || resource_.size() > most_resource_bytes) resource_ = random_name();
    const auto jid = account_.user + '@' + account_.domain + '/' + resource_;
    stream_.write(out, result_of(request, Writer{}.element("bind", bind_space).element("jid").text(jid).take()));
    is_bound_ = true;
    return Kind::bound;
}

LocalStream::Kind LocalStream::stanza(Element stanza, std::string& out) {
    const auto name = stanza.name();
    if (name != "message" && name != "presence" && name != "iq") return give_up(out, "unsupported-stanza-type");
    if (name != "iq" || !is_ours(stanza)) return Kind::stanza;
    stream_.write(out, result_of(stanza));
    return Kind::nothing;
}

bool LocalStream::is_ours(Element request) const {
    const auto to = request.attribute("to"), type = request.attribute("type");
    if (type == "set") return static_cast<bool>(request.child("session", session_space));
    return type == "get" && (to.empty() || to == account_.domain) && request.child("ping", ping_space);
}

void LocalStream::close(std::string& out, std::string_view condition, std::string_view text) {
    if (is_closed_) return;
    is_closed_ = true;
    if (!has_header_) stream_.write_header(out, {.id = random_name(), .from = account_.domain, .to = {}});
    Writer error;
    error.element("stream:error").element(condition, ns::stream_errors).end();
    if (!text.empty()) error.element("text", ns::stream_errors).text(text);
    stream_.write(out, error.take());
    stream_.write_footer(out);
}

LocalStream::Kind LocalStream::give_up(std::string& out, std::string_view condition) {
    close(out, condition);
    return Kind::closed;
}

}   // namespace tambo::funxmpp
