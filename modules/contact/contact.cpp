// XEP-0157 (1.1.1): whom to turn to about this server.
#include <array>
#include <cctype>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view data_space = "jabber:x:data";
constexpr std::string_view form_type = "http://jabber.org/network/serverinfo";

/// RFC 3986 §3.1: a scheme and a colon; what stands behind is the scheme's business.
bool is_uri(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == text.npos || colon == 0 || colon + 1 == text.size()) return false;
    if (std::isalpha(static_cast<unsigned char>(text[0])) == 0) return false;
    for (const char c : text.substr(0, colon))
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '+' && c != '-' && c != '.') return false;
    return text.find(' ') == text.npos;
}

class ContactAddresses final : public Module {
public:
    ContactAddresses() {
        for (const auto& [kind, addresses] : all())
            for (const auto& address : *addresses)
                if (!is_uri(address))
                    throw std::runtime_error{fmt::format(
                        "\"{} = {}\": expected a URI such as mailto:abuse@example.org or xmpp:help@example.org", kind,
                        address)};
    }

    void wire(Wiring& w) override {
        if (auto form = describe(); !form.empty()) w.form(std::move(form));
    }

private:
    using Kind = std::pair<std::string_view, const List*>;
    std::array<Kind, 7> all() const {
        return {{{"abuse", &*abuse_},
                 {"admin", &*admin_},
                 {"feedback", &*feedback_},
                 {"sales", &*sales_},
                 {"security", &*security_},
                 {"status", &*status_},
                 {"support", &*support_}}};
    }

    /// XEP-0128's form; nothing if nobody is named.
    std::string describe() const {
        Writer form;
        form.element("x", data_space).attribute("type", "result");
        form.element("field").attribute("var", "FORM_TYPE").attribute("type", "hidden");
        form.element("value").text(form_type).end().end();
        bool is_anybody_named = false;
        for (const auto& [kind, addresses] : all()) {
            if (addresses->empty()) continue;
            is_anybody_named = true;
            form.element("field").attribute("var", fmt::format("{}-addresses", kind)).attribute("type", "list-multi");
            for (const auto& address : *addresses) form.element("value").text(address).end();
            form.end();
        }
        return is_anybody_named ? form.take() : std::string{};
    }

    Option<List> abuse_{"abuse", List{}, "URIs for whoever reports abuse, such as mailto:abuse@example.org"};
    Option<List> admin_{"admin", List{}, "URIs of those who run the server"};
    Option<List> feedback_{"feedback", List{}, "URIs for praise and blame"};
    Option<List> sales_{"sales", List{}, "URIs for whoever wants to buy"};
    Option<List> security_{"security", List{}, "URIs for whoever found a hole"};
    Option<List> status_{"status", List{}, "URIs that say whether the server works"};
    Option<List> support_{"support", List{}, "URIs for whoever needs help"};
};

}   // namespace

TAMBO_MODULE(ContactAddresses, "contact", "0.1.0", 1)
