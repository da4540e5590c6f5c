// XEP-0115 (1.6.0) §5: what an entity can do, in one line of Base64. The same code says it of ourselves and checks what
// others say.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

namespace tambo::caps {

/// The node under which the server describes itself; behind it come '#' and the verification string.
inline constexpr std::string_view server_node = "urn:x-tambo:server";

struct Named {   ///< a service discovery identity
    std::string category, type, lang, name;
    friend auto operator<=>(const Named&, const Named&) = default;
};

struct Field {
    std::string name;
    std::vector<std::string> values;
};

struct Form {   ///< XEP-0128
    std::string type;
    std::vector<Field> fields;
};

struct Capabilities {
    std::vector<Named> identities;
    std::vector<std::string> features;
    std::vector<Form> forms;
};

/// What an answer to disco#info says. bad-request where §5.4 calls it ill-formed, and where it holds characters that
/// would let it pass for another one: '<' anywhere, '/' in the first three parts of an identity, control characters.
Result<Capabilities> read(const Element& query);

/// What modules say of the server, or of the accounts on it; nothing twice.
Capabilities of(const Host& host, Scope scope);

/// §5.1: everything sorted and joined, not yet hashed.
std::string joined(Capabilities capabilities);

/// The verification string; nullopt if we do not know the algorithm. Names are those of IANA: "sha-1".
std::optional<std::string> verification(const Capabilities& capabilities, std::string_view algorithm);

}   // namespace tambo::caps
