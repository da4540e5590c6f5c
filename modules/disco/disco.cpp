// XEP-0030 (2.5.0): what the server and the accounts on it can do; with the nodes of XEP-0115 (what the server
// announced) and of XEP-0050 (commands).
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <tambo/tambo.hpp>

#include "../adhoc/audience.hpp"
#include "../caps/verification.hpp"

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
        w.identity({"server", "im", name_});
        w.identity({"account", "registered", {}}, Scope::account);   // §3.1: the primary identity
    }

private:
    Reply info(Iq& iq) {
        if (const auto no = refusal(iq)) return *no;
        const auto node = iq.payload().attribute("node");
        if (iq.account() != nullptr) return node.empty() ? describe(Scope::account) : unknown_node();
        if (node.empty() || is_announced(node)) return describe(Scope::server, node);
        if (!has_commands()) return unknown_node();
        if (node == adhoc::commands_space) return command_list();
        return command(iq.from(), node);
    }

    Reply items(Iq& iq) {
        if (const auto no = refusal(iq)) return *no;
        const auto node = iq.payload().attribute("node");
        Reply reply;   // §4.1: "an empty <query/>" says that there is nothing associated with this entity
        if (node.empty()) return reply.element("query", items_space);
        if (iq.account() != nullptr || node != adhoc::commands_space || !has_commands()) return unknown_node();
        reply.element("query", items_space).attribute("node", node);
        for (const auto& command : adhoc::commands_for(iq.from(), host()))
            reply.element("item")
                .attribute("jid", iq.to().text())
                .attribute("node", command.node)
                .attribute("name", command.label)
                .end();
        return reply;
    }

    /// What both questions are refused for; nullopt if they may be answered.
    static std::optional<Error> refusal(const Iq& iq) {
        if (!iq.is_get()) return Error{Condition::bad_request, "service discovery asks with an iq of type get"};
        // §8: presence authorisation decides, and the answer does not tell a hidden account from one that does not
        // exist.
        if (iq.account() != nullptr && !iq.account()->may_see_presence(iq.from().bare()))
            return Error{Condition::service_unavailable};
        return std::nullopt;
    }

    static Reply unknown_node() { return Error{Condition::item_not_found}; }

    Reply describe(Scope scope, std::string_view node = {}) const {
        const auto all = caps::of(host(), scope);
        Reply reply;
        reply.element("query", info_space);
        if (!node.empty()) reply.attribute("node", node);
        for (const auto& identity : all.identities) write(reply, identity.category, identity.type, identity.name);
        for (const auto& feature : all.features) write_feature(reply, feature);
        for (const auto& form : host().forms(scope)) reply.raw(form);
        return reply;
    }

    /// XEP-0115 §6.2: somebody asks for what the stream features announced, as long as it is still true.
    bool is_announced(std::string_view node) const {
        if (!node.starts_with(caps::server_node)) return false;
        node.remove_prefix(caps::server_node.size());
        if (!node.starts_with('#')) return false;
        return node.substr(1) == caps::verification(caps::of(host(), Scope::server), "sha-1");
    }

    // --- XEP-0050 §2.1, §2.2

    bool has_commands() const {
        const auto all = host().features(Scope::server);
        return std::ranges::find(all, adhoc::commands_space) != all.end();
    }

    static Reply command_list() {
        Reply reply;
        reply.element("query", info_space).attribute("node", adhoc::commands_space);
        write(reply, "automation", "command-list", "Commands");
        write_feature(reply, adhoc::commands_space);
        return reply;
    }

    Reply command(const Jid& who, std::string_view node) const {
        const auto found = adhoc::find_command(node, host());
        if (!found || !adhoc::is_for(*found, who, host())) return unknown_node();
        Reply reply;
        reply.element("query", info_space).attribute("node", node);
        write(reply, "automation", "command-node", found->label);
        write_feature(reply, adhoc::commands_space);
        write_feature(reply, "jabber:x:data");
        return reply;
    }

    static void write(Reply& reply, std::string_view category, std::string_view type, std::string_view name) {
        reply.element("identity").attribute("category", category).attribute("type", type);
        if (!name.empty()) reply.attribute("name", name);
        reply.end();
    }

    static void write_feature(Reply& reply, std::string_view feature) {
        reply.element("feature").attribute("var", feature).end();
    }

    Option<std::string> name_{"name", "tambo", "what the server calls itself when a client asks who it is"};
};

}   // namespace

TAMBO_MODULE(Disco, "disco", "0.2.0", 1)
