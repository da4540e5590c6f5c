// Which sessions of an account messages to its bare JID go to (RFC 6121 §8.5.2.1).
#pragma once

#include <vector>

#include <tambo/session.hpp>

namespace tambo::shared {

inline bool is_listening(const Session& session) { return session.is_available() && session.priority() >= 0; }

/// By name: sending can end a session.
inline std::vector<Jid> listening(Account& account) {
    std::vector<Jid> devices;
    for (auto* session : account.sessions())
        if (is_listening(*session)) devices.push_back(session->jid());
    return devices;
}

}   // namespace tambo::shared
