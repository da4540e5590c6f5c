// XEP-0050 (1.3.0): whom a command is for. Who may not give it does not see it either (§2.2).
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

namespace tambo::adhoc {

inline constexpr std::string_view commands_space = "http://jabber.org/protocol/commands";

inline bool is_for(const Command& command, const Jid& who, const Host& host) {
    switch (command.audience) {
        case Audience::user:
            return !who.local().empty() && host.is_local(who.domain());
        case Audience::admin:
            return host.is_admin(who);
        case Audience::operator_:
            return false;
    }
    return false;
}

/// Sorted by what people see.
inline std::vector<Command> commands_for(const Jid& who, const Host& host) {
    auto all = host.commands();
    std::erase_if(all, [&](const Command& command) { return !is_for(command, who, host); });
    std::ranges::sort(all, {}, &Command::label);
    return all;
}

inline std::optional<Command> find_command(std::string_view node, const Host& host) {
    for (auto& command : host.commands())
        if (command.node == node) return std::move(command);
    return std::nullopt;
}

}   // namespace tambo::adhoc
