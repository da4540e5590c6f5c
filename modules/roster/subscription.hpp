// RFC 6121 §3 and Appendix A: what becomes of a subscription when one side speaks.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tambo::roster {

/// How a user and a contact stand, seen from the user. The nine states of Appendix A.1 are the combinations that can
/// occur: `to` excludes `out`, `from` excludes `in`.
struct State {
    bool to = false;         ///< the user sees the contact's presence
    bool from = false;       ///< the contact sees the user's
    bool out = false;        ///< the user asked and has no answer yet ("Pending Out", ask='subscribe')
    bool in = false;         ///< the contact asked and has no answer yet ("Pending In", never shown in the roster)
    bool approved = false;   ///< the user said yes before the contact asked (§3.4)

    friend bool operator==(const State&, const State&) = default;
};

/// The presence types that change a subscription.
enum class Act : std::uint8_t { subscribe, unsubscribe, subscribed, unsubscribed };

std::optional<Act> act_of(std::string_view presence_type) noexcept;

/// "none", "to", "from" or "both": the value of the roster item's attribute (§2.1.2.5).
std::string_view subscription_name(State) noexcept;

/// What a stanza does to a state, and what else the server has to do about it.
struct Outcome {
    State state;                    ///< afterwards
    bool passes = false;            ///< outbound: route it to the contact; inbound: deliver it to the user's clients
    bool answers = false;           ///< inbound subscribe: the server says "subscribed" in the user's name
    bool begins_presence = false;   ///< the contact may see the user's presence from now on: send it
    bool ends_presence = false;     ///< the contact no longer may: send "unavailable", before the stanza itself

    friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Appendix A.2: the user sends this to the contact.
Outcome outbound(Act, State) noexcept;
/// Appendix A.3: the contact sent this to the user.
Outcome inbound(Act, State) noexcept;

/// True if a client can see the difference in the roster, so that a push is due.
bool looks_different(State before, State after) noexcept;

}   // namespace tambo::roster
