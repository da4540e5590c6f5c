// Whose client has been away for so long that contacts see the user gone, while the session waits for it. Kept in a
// slot of the session by presence, so that whoever tells others of a user (last_seen) finds it there.
#pragma once

#include <string_view>

#include <tambo/session.hpp>

namespace tambo::shared {

/// How far it has come with a session whose connection is lost. The first letter in the session's own bytes; behind it
/// presence notes who watches the time.
enum class Grace : char {
    none = '-',      ///< the client is here
    running = 'r',   ///< it is not, but nobody has been told
    over = 'o',      ///< contacts were told that the user has gone
};

constexpr std::string_view grace_slot = "presence-grace";

inline Grace grace_of(const Session& session) noexcept {
    const auto* letter = session.find_slot(grace_slot);
    return letter == nullptr || letter->empty() ? Grace::none : Grace{letter->front()};
}

/// Would a contact say that this resource is online?
inline bool is_visible(const Session& session) noexcept {
    return session.is_available() && grace_of(session) != Grace::over;
}

}   // namespace tambo::shared
