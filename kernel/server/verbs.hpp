// What the parts of commands.cpp share: a command as it was given, and ways to answer it in words or JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/server.hpp>

#include "server/control.hpp"
#include "server/json.hpp"

namespace tambo {
class Drain;
}

namespace tambo::verbs {

using Words = std::vector<std::string>;

enum Exit : std::uint8_t { done = 0, refused = 1, not_understood = 2 };

struct Call {
    Server& server;
    Drain& drain;
    Words words;   ///< arguments only
    bool json;
    const Control::Out& out;
};

int say(const Call& call, Json& json);
/// In JSON or in words, as was asked for.
int tell(const Call& call, Json& json, std::string_view text);
/// For commands that have nothing to tell but whether it worked.
int report(const Call& call, std::string_view what, const Result<Nothing>& result);
int refuse(const Call& call, const std::string& why);
int complain(const Call& call, const std::string& why);

int drain(const Call& call);   // drain_command.cpp

// --- accounts (account_commands.cpp)
int user_add(const Call& call);
int user_passwd(const Call& call);
int user_delete(const Call& call);
int user_erase(const Call& call);
int user_list(const Call& call);
int user_export(const Call& call);
int user_import(const Call& call);

}   // namespace tambo::verbs
