// XEP-0227 §4.3: how an account's password travels.
#pragma once

#include <optional>
#include <string>

#include <tambo/tambo.hpp>

namespace tambo::portability {

inline constexpr std::string_view space = "urn:xmpp:pie:0";
inline constexpr std::string_view scram_space = "urn:xmpp:pie:0#scram";

/// <scram-credentials/>, one for each hash.
std::string written(const Credentials& credentials);

/// What a <user/> brings along: keys as they are, or a password to make some of, or neither. bad-request names what is
/// wrong; keys of a hash that we don't know are left out.
struct Brought {
    Credentials credentials;
    std::optional<std::string> password;   ///< prepared
};
Result<Brought> read_credentials(const Element& user);

}   // namespace tambo::portability
