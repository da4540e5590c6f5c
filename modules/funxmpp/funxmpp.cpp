// FunXMPP on the wire (man/funxmpp.md): as a stream feature in the way of XEP-0138 (2.1), and from the first byte.
#include <optional>
#include <string>

#include <tambo/tambo.hpp>

#include "codec.hpp"

namespace {

using namespace tambo;
using funxmpp::Dialect;

constexpr std::string_view feature_space = "http://jabber.org/features/compress";
constexpr std::string_view protocol_space = "http://jabber.org/protocol/compress";
constexpr std::string_view page_space = "urn:tambo:funxmpp:page";
constexpr int rank = 5;   // before binding and resumption, which end the negotiation (XEP-0170 §2)

class FunXmpp final : public Module {
public:
    void wire(Wiring& w) override {
        const auto policy = read_policy();
        if (policy.classic) w.codec(funxmpp::make_codec(Dialect::classic, policy));
        if (policy.page) w.codec(funxmpp::make_codec(Dialect::page, policy));
        w.negotiate<&FunXmpp::advertise, &FunXmpp::step>(Phase::before_bind, protocol_space, rank, this);
        w.negotiate<&FunXmpp::name_page, &FunXmpp::refuse_page>(Phase::before_auth, page_space, rank, this);
    }

private:
    funxmpp::Policy read_policy() const {
        constexpr std::int64_t most_nodes = 1'000'000;
        if (*nodes_ < 1 || *nodes_ > most_nodes) nodes_.refuse("expected a number from 1 to 1000000");
        return {.classic = classic_, .page = page_, .direct = direct_, .nodes = static_cast<std::uint32_t>(*nodes_)};
    }

    // XEP-0138 §3: only on a stream that is not yet written in another way.
    void advertise(const StreamInfo& info, Writer& features) {
        if (info.codec != "xml" || !(classic_ || page_)) return;
        features.element("compression", feature_space);
        if (classic_) features.element("method").text(method(Dialect::classic)).end();
        if (page_) features.element("method").text(method(Dialect::page)).end();
        if (page_) write_page(features);
        features.end();
    }

    // Whoever begins in binary learns at once whether both mean the same page.
    void name_page(const StreamInfo& info, Writer& features) {
        if (info.codec == funxmpp::codec_name(Dialect::page)) write_page(features);
    }

    static void write_page(Writer& features) {
        features.element("page", page_space).attribute("version", funxmpp::page_version);
        features.attribute("hash", funxmpp::page_hash()).end();
    }

    Task<void> step(Handshake& h, Stanza element) {
        const auto root = element.xml();
        const auto wanted = root.child("method").text();
        const bool asks = root.is("compress", protocol_space) && !wanted.empty() && h.info().codec == "xml";
        const auto dialect = dialect_of(wanted);
        if (asks && !dialect)
            fail_with(h, "unsupported-method");
        else if (!asks || !h.switch_codec(funxmpp::codec_name(*dialect)))
            fail_with(h, "setup-failed");
        else
            h.send("<compressed xmlns='http://jabber.org/protocol/compress'/>");
        co_return;
    }

    // It is a statement, not an offer.
    Task<void> refuse_page(Handshake& h, Stanza) {
        h.close(StreamCondition::unsupported_stanza_type, "the page is announced, not negotiated");
        co_return;
    }

    // §3: the stream goes on as it is.
    static void fail_with(Handshake& h, std::string_view condition) {
        Writer failure;
        failure.element("failure", protocol_space).element(condition);
        h.send(failure.str());
    }

    static std::string method(Dialect dialect) {
        return dialect == Dialect::page ? "funxmpp-page:" + std::to_string(funxmpp::page_version) : "funxmpp";
    }
    std::optional<Dialect> dialect_of(std::string_view wanted) const {
        if (classic_ && wanted == method(Dialect::classic)) return Dialect::classic;
        if (page_ && wanted == method(Dialect::page)) return Dialect::page;
        return std::nullopt;
    }

    Option<bool> classic_{"classic", true, "speak FunXMPP with the classic dictionary (1.5)"};
    Option<bool> page_{"page", true, "speak FunXMPP with the page of XMPP tokens"};
    Option<bool> direct_{"direct", true, "let a connection begin in FunXMPP, without any XML before it"};
    Option<std::int64_t> nodes_{"nodes", 10000, "most elements and runs of text in one stanza"};
};

}   // namespace

TAMBO_MODULE(FunXmpp, "funxmpp", "0.1.0", 1)
