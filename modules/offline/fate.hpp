// What may become of a message that nobody takes at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tambo/stanza.hpp>

#include "../shared/message.hpp"

namespace tambo::offline {

inline constexpr std::string_view markers_space = "urn:xmpp:chat-markers:0";

enum class Fate : std::uint8_t { keep, forget, refuse };

/// XEP-0160 §3 and XEP-0334 §4: what becomes of a message that found nobody.
inline Fate fate(const Stanza& message) {
    const auto type = message.type();
    if (type == "error" || type == "headline" || type == "groupchat") return Fate::refuse;
    if (shared::is_chat_state(message.xml())) return Fate::forget;   // whatever a hint says
    const bool has_something = shared::has_content(message.xml());
    if (message.has("no-store", shared::hints_space)) return has_something ? Fate::refuse : Fate::forget;
    if (message.has("store", shared::hints_space)) return Fate::keep;
    return has_something ? Fate::keep : Fate::forget;
}

/// XEP-0333: of messages with the same key, the last one says it all, since a marker speaks for all that came before
/// (§4). Empty if it says more than a marker does.
inline std::string marker_key(const Stanza& message) {
    const auto marker = message.xml().child_in(markers_space);
    if (!marker || marker.name() == "markable" || !message.body().empty()) return {};
    std::string key{marker.name()};
    return key.append("\n")
        .append(message.from().bare_text())
        .append("\n")
        .append(message.xml().child("thread").text());
}

}   // namespace tambo::offline
