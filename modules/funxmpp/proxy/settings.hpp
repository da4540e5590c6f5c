// What funxmpp-proxy is told, by an ini file.
#pragma once

#include <chrono>
#include <string>

#include "back_off.hpp"
#include "link.hpp"
#include "outbox.hpp"

namespace tambo::funxmpp {

struct Settings {
    Target target;
    LoginWish login;
    std::string listen_address = "127.0.0.1";
    std::uint16_t listen_port = 5322;
    std::string outbox_file;
    Outbox::Bounds outbox;
    BackOff::Times back_off;
    std::chrono::seconds keepalive{60}, ack_timeout{30};

    std::string bare_jid() const { return login.credentials.user + '@' + login.credentials.domain; }
};

/// Throws std::runtime_error with a sentence that names file and line. A file that others may read is refused: the
/// password is in it.
Settings read_settings(const std::string& file);

}   // namespace tambo::funxmpp
