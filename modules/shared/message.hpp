// What modules have to agree on about messages, although none of them knows another: what is content, what is only a
// chat state, what a carbon is about. For the modules of this tree; nothing in it is kept.
#pragma once

#include <string_view>

#include <tambo/xml.hpp>

namespace tambo::shared {

inline constexpr std::string_view carbons_space = "urn:xmpp:carbons:2";                     // XEP-0280
inline constexpr std::string_view delay_space = "urn:xmpp:delay";                           // XEP-0203
inline constexpr std::string_view forward_space = "urn:xmpp:forward:0";                     // XEP-0297
inline constexpr std::string_view hints_space = "urn:xmpp:hints";                           // XEP-0334
inline constexpr std::string_view ids_space = "urn:xmpp:sid:0";                             // XEP-0359
inline constexpr std::string_view states_space = "http://jabber.org/protocol/chatstates";   // XEP-0085

/// Something that its reader would miss, as opposed to what only accompanies a message.
inline bool is_content(const Element& child) noexcept {
    const auto space = child.space();
    if (space == ns::client) return child.name() != "thread";   // mostly a body
    if (space == states_space || space == hints_space || space == ids_space || space == delay_space) return false;
    return !child.is("private", carbons_space);
}

inline bool has_content(const Element& message) noexcept {
    for (const auto child : message.children())
        if (is_content(child)) return true;
    return false;
}

/// XEP-0085 §2: a "standalone notification", which says nothing but what somebody is doing right now.
inline bool is_chat_state(const Element& message) noexcept {
    return message.child_in(states_space) && !has_content(message);
}

/// XEP-0280: the <received/> or <sent/> of a carbon.
inline Element carbon_in(const Element& message) noexcept {
    for (const auto child : message.children())
        if (child.is("received", carbons_space) || child.is("sent", carbons_space)) return child;
    return {};
}

/// What there is to read: of a carbon the message in it, else the message itself.
inline Element told(const Element& message) noexcept {
    const auto inside = carbon_in(message).child("forwarded", forward_space).child("message", ns::client);
    return inside ? inside : message;
}

}   // namespace tambo::shared
