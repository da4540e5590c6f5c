// A session at a server: connection, login and stream in one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "connection.hpp"
#include "login.hpp"

namespace tambo::funxmpp {

/// One attempt, from the name of a host to the end of the stream. Events come on the thread of the io_context, never
/// from within a call, and none once it is gone; each may destroy the Link.
class Link {
public:
    struct Events {
        std::function<void(const Bound&)> bound;
        std::function<void(const Tape&, const std::string& xml)> element;   ///< after `bound`
        std::function<void(const std::string& why, bool is_hopeless)> ended;
    };

    Link(boost::asio::io_context& context, const Target& target, const LoginWish& wish, Events events);
    ~Link();
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    void send(std::string_view element);
    void keep_alive();
    /// Says good-bye. `ended` follows when the server has said so, too, or is gone.
    void finish();

    /// `nothing`, until something was said.
    const Traffic& in() const noexcept;
    const Traffic& out() const noexcept;
    std::string tls_version() const;
    bool is_binary() const noexcept;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;   // shared with the connection's events
};

}   // namespace tambo::funxmpp
