// Well-formed stanzas of every odd shape that Namespaces in XML allows.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tambo::funxmpp {

class RandomXml {
public:
    explicit RandomXml(std::uint32_t seed) : random_(seed) {}

    std::string stanza() {
        out_.clear();
        element(0, {});
        return out_;
    }

private:
    using Prefixes = std::vector<std::string>;   // declared around

    template <std::size_t n>
    std::string_view one_of(const std::array<std::string_view, n>& choice) {
        return choice[below(n)];
    }
    std::uint32_t below(std::size_t n) { return static_cast<std::uint32_t>(random_() % n); }
    bool chance(std::uint32_t percent) { return below(100) < percent; }

    void element(int depth, Prefixes declared) {
        std::string declarations;
        const bool has_default = chance(25);
        if (has_default) declarations += " xmlns='" + std::string{one_of(spaces_)} + "'";
        for (const auto prefix : prefixes_) {
            if (!chance(8)) continue;
            declared.emplace_back(prefix);
            declarations += " xmlns:" + std::string{prefix} + "=\"" + std::string{one_of(prefix_spaces_)} + "\"";
        }
        const auto name = qname(declared, true);
        out_ += "<" + name + declarations;
        attributes(declared);
        if (chance(15)) {
            out_ += "/>";
            return;
        }
        out_ += ">";
        content(depth, declared);
        out_ += "</" + name + ">";
    }

    void attributes(const Prefixes& declared) {
        std::set<std::string> locals;   // one namespace may have two prefixes
        for (auto count = below(5); count > 0; --count) {
            auto name = qname(declared, false);
            if (!locals.insert(name.substr(name.find(':') + 1)).second) continue;
            out_ += chance(50) ? ' ' : '\n';
            const char quote = chance(50) ? '\'' : '"';
            out_ += name + "=" + quote;
            characters(true);
            out_ += quote;
        }
        if (chance(10) && locals.insert("lang").second) out_ += " xml:lang='de'";
    }

    void content(int depth, const Prefixes& declared) {
        constexpr int deepest = 6;
        for (auto count = below(5); count > 0; --count) {
            if (depth < deepest && chance(55))
                element(depth + 1, declared);
            else if (chance(20))
                out_ += "<![CDATA[a < b && c > d]]>";
            else if (chance(20))
                out_ += "\n  ";
            else
                characters(false);
        }
    }

    std::string qname(const Prefixes& declared, bool is_element) {
        std::string name{is_element ? one_of(tags_) : one_of(names_)};
        if (is_element && chance(3)) return "stream:" + name;
        return chance(25) && !declared.empty() ? declared[below(declared.size())] + ":" + name : name;
    }

    void characters(bool is_value) {
        if (chance(60)) {
            out_ += one_of(values_);
            return;
        }
        for (auto count = below(12); count > 0; --count) out_ += one_of(pieces_);
        if (!is_value && chance(2)) out_.append(70000, 'x');
    }

    static constexpr std::array<std::string_view, 6> spaces_{
        "jabber:client", "", "urn:xmpp:receipts", "urn:example:x&amp;y", "http://jabber.org/protocol/chatstates", "ü"};
    static constexpr std::array<std::string_view, 3> prefix_spaces_{"urn:example:p", "jabber:client", "urn:xmpp:sm:3"};
    static constexpr std::array<std::string_view, 4> prefixes_{"p", "q", "Ünï", "stream"};
    static constexpr std::array<std::string_view, 8> tags_{"message", "body", "iq",      "item",
                                                           "x",       "söng", "a.b-c_9", "text"};
    static constexpr std::array<std::string_view, 9> names_{"to", "from",  "id",  "type", "jid",
                                                            "x",  "größe", "ver", "by"};
    static constexpr std::array<std::string_view, 28> values_{"juliet@im.example.com",
                                                              "romeo@im.example.com/orchard",
                                                              "a@b@c",
                                                              "a@",
                                                              "@b",
                                                              "@",
                                                              "im.example.com",
                                                              "im.example.com/x",
                                                              "/",
                                                              "a@b/",
                                                              "a/b@c",
                                                              "12.34-56",
                                                              "-",
                                                              "0",
                                                              "ABCDEF0123",
                                                              "abcdef0123",
                                                              "chat",
                                                              "text",
                                                              "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                                                              "f81d4fae-7dec-11d0-a765-00a0c91e6bfg",
                                                              "q07IKJEyjvHSyhy//CH0CxmKi8w=",
                                                              "q07IKJEyjvHSyhy//CH0CxmKi8x=",
                                                              "QQ==",
                                                              "QR==",
                                                              "====",
                                                              "dGFtYm8h",
                                                              "34123456789@s.whatsapp.net",
                                                              "user:7@lid"};
    static constexpr std::array<std::string_view, 15> pieces_{
        "a", "Z", "9", " ", "&lt;", "&gt;", "&amp;", "&apos;", "&quot;", "&#10;", "&#9;", "&#13;", "é", "世", "😀"};

    std::minstd_rand random_;
    std::string out_;
};

}   // namespace tambo::funxmpp
