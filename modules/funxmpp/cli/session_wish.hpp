// What the command line of login, send and listen says.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "link.hpp"

namespace tambo::funxmpp {

enum class Verb : std::uint8_t { login, send, listen };

struct SessionWish {
    Verb verb = Verb::login;
    Target target;
    LoginWish login;
    std::string to, text;   ///< send
    bool wants_receipt = false;
    bool is_json = false;
    std::uint64_t count = 0;   ///< listen: messages after which it ends; 0: none
    std::chrono::seconds timeout{30};
};

/// Reads the words behind the program's name, of which the first is a verb. -1, or the code to exit with.
int understand(int count, const char* const* words, SessionWish& wish);

}   // namespace tambo::funxmpp
