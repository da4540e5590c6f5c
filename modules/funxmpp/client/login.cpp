#include "login.hpp"

#include <charconv>
#include <utility>

namespace tambo::funxmpp {

namespace {

constexpr std::string_view tls_space = "urn:ietf:params:xml:ns:xmpp-tls";
constexpr std::string_view sasl_space = "urn:ietf:params:xml:ns:xmpp-sasl";
constexpr std::string_view bind_space = "urn:ietf:params:xml:ns:xmpp-bind";
constexpr std::string_view feature_space = "http://jabber.org/features/compress";
constexpr std::string_view compress_space = "http://jabber.org/protocol/compress";
constexpr std::string_view page_space = "urn:tambo:funxmpp:page";
constexpr std::string_view sm_space = "urn:xmpp:sm:3";
constexpr std::string_view bind_id = "funxmpp-bind";

std::string method(Dialect dialect) {
    return dialect == Dialect::page ? "funxmpp-page:" + std::to_string(page_version) : "funxmpp";
}

std::optional<std::uint32_t> number(std::string_view digits) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

std::string name_of_first(Element parent) { return std::string{parent.first().name()}; }

}   // namespace

void Login::open(std::string& out, bool is_encrypted, std::string tls_exporter) {
    is_encrypted_ = is_encrypted;
    tls_exporter_ = std::move(tls_exporter);
    const bool begins_binary = wish_.entry == Entry::direct;
    stream_.restart(begins_binary ? std::optional{wish_.dialect} : std::nullopt);
    stream_.write_prologue(out);
    stream_.write_header(out, {.id = {}, .from = {}, .to = wish_.credentials.domain});
    awaits_ = Awaits::features;
}

void Login::restart(std::string& out) {
    stream_.restart();
    stream_.write_header(out, {.id = {}, .from = {}, .to = wish_.credentials.domain});
    awaits_ = Awaits::features;
}

Login::Step Login::element(const Tape& tape, const std::string& xml, std::string& out) {
    const Element said{tape, 0};
    if (said.is("error", ns::streams)) return stream_error(said);
    if (awaits_ == Awaits::enabled && said.space() == ns::client) return early(xml);
    switch (awaits_) {
        case Awaits::features:
            if (!said.is("features", ns::streams)) return fail("the server said no features");
            return features(said, out);
        case Awaits::proceed:
            // Whatever stands behind it came without TLS: somebody else may have said it.
            if (!said.is("proceed", tls_space) || stream_.left() > 0) return fail("the server does not begin TLS");
            return Step::start_tls;
        case Awaits::sasl:
            return sasl(said, out);
        case Awaits::compressed:
            if (!said.is("compressed", compress_space))
                return fail("the server refuses " + method(wish_.dialect) + ": " + name_of_first(said), true);
            stream_.restart(wish_.dialect);
            restart(out);
            return Step::onward;
        case Awaits::resumed:
            return on_resumed(said, out);
        case Awaits::bound:
            return on_bound(said, out);
        case Awaits::enabled:
            return on_enabled(said);
    }
    return fail("unreachable");
}

Login::Step Login::features(Element features, std::string& out) {
    if (wish_.wants_starttls && !is_encrypted_) {
        if (!features.child("starttls", tls_space)) return fail("the server offers no TLS", true);
        say(out, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        awaits_ = Awaits::proceed;
        return Step::onward;
    }
    if (!is_authenticated_) return authenticate(features, out);
    if (wish_.entry == Entry::compress && !stream_.dialect()) return compress(features, out);
    has_management_ = static_cast<bool>(features.child("sm", sm_space));
    if (!wish_.resumption || !has_management_) return bind(out);
    say(out, Writer{}
                 .element("resume", sm_space)
                 .attribute("h", wish_.resumption->handled)
                 .attribute("previd", wish_.resumption->id)
                 .take());
    awaits_ = Awaits::resumed;
    return Step::onward;
}

bool Login::is_our_page(Element features, Element compression) const {
    auto page = compression.child("page", page_space);
    if (!page) page = features.child("page", page_space);
    return page.attribute("hash") == page_hash();
}

Login::Step Login::authenticate(Element features, std::string& out) {
    if (wish_.entry == Entry::direct && wish_.dialect == Dialect::page && !is_our_page(features, {}))
        return fail("the server has another page " + std::to_string(page_version), true);
    std::vector<std::string> offered;
    for (const auto each : features.child("mechanisms", sasl_space).children())
        if (each.name() == "mechanism") offered.emplace_back(each.text());
    const bool is_private = is_encrypted_ || wish_.may_be_plain;
    bound_.mechanism = SaslExchange::choose(offered, is_private, !tls_exporter_.empty());
    if (bound_.mechanism.empty()) return fail("the server offers no way to log in that is known and safe here", true);
    exchange_.emplace(SaslExchange::Role::client, bound_.mechanism, wish_.credentials, tls_exporter_);
    const auto first = exchange_->step({});
    if (first.state == SaslExchange::Step::State::failed) return fail(bound_.mechanism + " does not begin");
    is_proven_ = first.state == SaslExchange::Step::State::done;
    say(out, Writer{}.element("auth", sasl_space).attribute("mechanism", bound_.mechanism).text(first.message).take());
    awaits_ = Awaits::sasl;
    return Step::onward;
}

Login::Step Login::sasl(Element said, std::string& out) {
    using State = SaslExchange::Step::State;
    if (said.is("failure", sasl_space)) return fail("login refused: " + name_of_first(said), true);
    const bool succeeds = said.is("success", sasl_space);
    if (!succeeds && !said.is("challenge", sasl_space)) return fail("the server breaks the login off");
    if (!succeeds || !said.text().empty()) {
        const auto step = is_proven_ ? SaslExchange::Step{} : exchange_->step(said.text());
        if (step.state == State::failed) return fail("the server does not prove that it knows the password", true);
        is_proven_ = step.state == State::done;
        if (!succeeds) say(out, Writer{}.element("response", sasl_space).text(step.message).take());
    }
    if (!succeeds) return Step::onward;
    if (!is_proven_) return fail("the server does not prove that it knows the password", true);
    is_authenticated_ = true;
    exchange_.reset();
    restart(out);
    return Step::onward;
}

Login::Step Login::compress(Element features, std::string& out) {
    const auto compression = features.child("compression", feature_space);
    bool is_offered = false;
    for (const auto each : compression.children())
        is_offered = is_offered || (each.name() == "method" && each.text() == method(wish_.dialect));
    if (!is_offered) return fail("the server does not offer " + method(wish_.dialect), true);
    if (wish_.dialect == Dialect::page && !is_our_page(features, compression))
        return fail("the server has another page " + std::to_string(page_version), true);
    say(out, Writer{}.element("compress", compress_space).element("method").text(method(wish_.dialect)).take());
    awaits_ = Awaits::compressed;
    return Step::onward;
}

Login::Step Login::bind(std::string& out) {
    Writer request;
    request.element("iq").attribute("type", "set").attribute("id", bind_id).element("bind", bind_space);
    if (!wish_.resource.empty()) request.element("resource").text(wish_.resource);
    say(out, request.take());
    awaits_ = Awaits::bound;
    return Step::onward;
}

Login::Step Login::on_bound(Element said, std::string& out) {
    if (said.name() != "iq" || said.attribute("id") != bind_id) return Step::onward;
    const auto jid = said.child("bind", bind_space).child("jid").text();
    if (said.attribute("type") != "result" || jid.empty())
        return fail("no resource: " + name_of_first(said.child("error")));
    bound_.jid = jid;
    if (!has_management_) return Step::bound;
    say(out, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    awaits_ = Awaits::enabled;
    return Step::onward;
}

Login::Step Login::on_resumed(Element said, std::string& out) {
    bound_.heard = number(said.attribute("h"));
    if (said.is("failed", sm_space)) return bind(out);
    if (!said.is("resumed", sm_space) || !bound_.heard) return fail("the server neither resumes nor refuses to");
    bound_.sm_id = wish_.resumption->id;
    bound_.is_resumable = bound_.is_resumed = true;
    return Step::bound;
}

Login::Step Login::on_enabled(Element said) {
    if (said.is("enabled", sm_space)) {
        const auto resume = said.attribute("resume");
        bound_.sm_id = said.attribute("id");
        bound_.is_resumable = !bound_.sm_id.empty() && (resume == "true" || resume == "1");
        return Step::bound;
    }
    if (said.is("failed", sm_space)) return Step::bound;
    return fail("the server says something else than that it acknowledges");
}

Login::Step Login::early(const std::string& stanza) {
    constexpr std::size_t most = 100;
    if (bound_.early.size() == most) return fail("the server talks instead of making the session ready");
    bound_.early.push_back(stanza);
    return Step::onward;
}

Login::Step Login::stream_error(Element error) {
    auto why = "stream error " + name_of_first(error);
    if (const auto text = error.child("text", ns::stream_errors).text(); !text.empty())
        why.append(" (").append(text).append(")");
    return fail(std::move(why));
}

Login::Step Login::fail(std::string why, bool is_hopeless) {
    why_ = std::move(why);
    is_hopeless_ = is_hopeless;
    return Step::failed;
}

}   // namespace tambo::funxmpp
