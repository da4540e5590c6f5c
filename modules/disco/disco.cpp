// XEP-0030 (2.5.0): what the server and the accounts on it can do.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view info_space = "http://jabber.org/protocol/disco#info";
constexpr std::string_view items_space = "http://jabber.org/protocol/disco#items";

class Disco final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&Disco::info>(info_space, "query", this);
        w.iq<&Disco::items>(items_space, "query", this);
        w.feature(info_space, Scope::both);
        w.feature(items_space, Scope::both);
    }

private:
    Reply info(Iq& iq) {
        if (const auto no = refusal(iq)) return *no;
        const auto scope = iq.account() != nullptr ? Scope::account : Scope::server;
        Reply reply;
        reply.element("query", info_space);
        if (scope == Scope::server) write(reply, {"server", "im", name_});
        if (scope == Scope::account) write(reply, {"account", "registered", {}});   // §3.1: the primary identity
        for (const auto& identity : host().identities(scope)) write(reply, identity);
        for (const auto& feature : distinct(host().features(scope)))
            reply.element("feature").attribute("var", feature).end();
        return reply;
    }

    Reply items(Iq& iq) {
        if (const auto no = refusal(iq)) return *no;
        Reply reply;   // §4.1: "an empty <query/>" says that there is nothing associated with this entity
        reply.element("query", items_space);
        return reply;
    }

    /// What both questions are refused for; nullopt if they may be answered.
    static std::optional<Error> refusal(const Iq& iq) {
        if (!iq.is_get()) return Error{Condition::bad_request, "service discovery asks with an iq of type get"};
        // §8: presence authorisation decides, and the answer does not tell a hidden account from one that does not
        // exist.
        if (iq.account() != nullptr && !iq.account()->may_see_presence(iq.from().bare()))
            return Error{Condition::service_unavailable};
        if (!iq.payload().attribute("node").empty()) return Error{Condition::item_not_found};
        return std::nullopt;
    }

    static void write(Reply& reply, const Identity& identity) {
        reply.element("identity").attribute("category", identity.category).attribute("type", identity.type);
        if (!identity.name.empty()) reply.attribute("name", identity.name);
        reply.end();
    }

    /// §3.1: a feature is named once. Sorted, so that the answer does not depend on the order in which modules came.
    static std::vector<std::string> distinct(std::vector<std::string> features) {
        std::ranges::sort(features);
        const auto repeated = std::ranges::unique(features);
        features.erase(repeated.begin(), repeated.end());
        return features;
    }

    Option<std::string> name_{"name", "tambo", "what the server calls itself when a client asks who it is"};
};

}   // namespace

TAMBO_MODULE(Disco, "disco", "0.1.0", 1)
