// XEP-0153 (1.1.1): the picture in a vCard, and what presence says about it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tambo/stanza.hpp>
#include <tambo/xml.hpp>

namespace tambo::vcard {

inline constexpr std::string_view card_space = "vcard-temp";
inline constexpr std::string_view update_space = "vcard-temp:x:update";

/// SHA-1 of the picture, in lower case hexadecimal (§3.1); empty if the card has none that can be decoded.
std::string picture_hash(Element card);

/// What a client says about the picture in its presence.
enum class Claim : std::uint8_t {
    nothing,      ///< it does not know XEP-0153
    not_ready,    ///< §4.1, rule 2: <x/>
    no_picture,   ///< §4.1, rule 3: <x><photo/></x>
    picture,      ///< <x><photo>HASH</photo></x>
};
Claim claim_of(const Stanza& presence);

/// Makes the presence say this hash, or that there is no picture where it is empty. False if it says so already.
bool announce(Stanza& presence, std::string_view hash);

}   // namespace tambo::vcard
