// Commands: what people can ask a module to do. One declaration serves operators (tamboctl) and, through the module
// that speaks ad-hoc commands, everybody with a client that shows forms.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/jid.hpp>
#include <tambo/result.hpp>

namespace tambo {

/// Who may give a command in a client. tamboctl, whose socket only the owner can open, may give them all.
enum class Audience : std::uint8_t {
    user,       ///< everybody with an account here, about that account
    admin,      ///< whom [server] admins names
    operator_   ///< nobody: tamboctl only
};

/// One thing that the command has to be told. In a client a field of a form, for tamboctl a word, in this order.
struct Argument {
    enum class Kind : std::uint8_t {
        line,        ///< one line of text
        paragraph,   ///< several
        secret,      ///< a password: not shown, not logged
        account,     ///< a bare JID of this server; the command runs on its home shard, with the account in memory
        jid,         ///< any JID
        jids,        ///< any number of them (tamboctl: all further words)
        flag,        ///< yes or no
        choice       ///< one of `choices`
    };
    std::string name;    ///< the form's field: "accountjid"
    std::string label;   ///< "The JID of the account"
    Kind kind = Kind::line;
    bool is_required = true;
    std::vector<std::string> choices{};
    std::string fallback{};   ///< preset, and used where an argument that is not required is left out
};

struct Command {
    std::string node;    ///< unique; "http://jabber.org/protocol/admin#announce", "last-seen"
    std::string words;   ///< for tamboctl: "announce", "user export"; empty: not offered there
    std::string label;   ///< for people: "Send an announcement to online users"
    Audience audience = Audience::admin;
    std::vector<Argument> arguments{};
};

/// A command as it was given. Values were checked against the declaration: required ones are there, JIDs are JIDs, a
/// choice is one of the choices, a flag is "true" or "false".
struct CommandCall {
    Jid who;   ///< full JID of the one who asks; empty: an operator at the console
    std::map<std::string, std::vector<std::string>, std::less<>> given;

    std::string get(std::string_view name) const {
        const auto at = given.find(name);
        return at == given.end() || at->second.empty() ? std::string{} : at->second.front();
    }
    bool flag(std::string_view name) const { return get(name) == "true"; }
    Jid jid(std::string_view name) const { return Jid::parse(get(name)).value_or(Jid{}); }
    /// All values: the lines of a paragraph, several JIDs.
    std::vector<std::string> all(std::string_view name) const {
        const auto at = given.find(name);
        return at == given.end() ? std::vector<std::string>{} : at->second;
    }
};

/// What came of it: a sentence, and figures with a name. Refusals are Errors instead.
struct CommandResult {
    std::string text;   ///< printed as it is; in a client a note
    struct Value {
        std::string name, label;
        std::vector<std::string> values;
    };
    std::vector<Value> values{};
    std::string xml{};   ///< what else there is, for clients only: stands in the form with the figures
};

}   // namespace tambo
