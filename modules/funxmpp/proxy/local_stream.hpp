// The stream of a stock client on the loopback, from the server's side, without a socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sasl.hpp"
#include "xmpp_stream.hpp"

namespace tambo::funxmpp {

/// Speaks RFC 6120 in XML with one client: header, SASL against the one account that there is, binding of the resource
/// that the client wants. Answers by itself what a server answers at once: binding, the old session request, and pings
/// of the server, which then say nothing about a network that may be away. All else is for the owner.
///
/// Before authentication it takes 10 KiB at a time, and three attempts.
class LocalStream {
public:
    enum class Kind : std::uint8_t {
        nothing,   ///< more has to come
        bound,     ///< resource() is there
        stanza,    ///< stanza() and element()
        closed,    ///< it is over; what has to be said was written
    };

    explicit LocalStream(const Credentials& account);

    void feed(std::string_view bytes) { stream_.feed(bytes); }
    /// `out`: what to say to the client.
    Kind next(std::string& out);
    const std::string& resource() const noexcept { return resource_; }
    const std::string& stanza() const noexcept { return xml_; }
    Element element() const noexcept { return {tape_, 0}; }
    bool is_bound() const noexcept { return is_bound_; }

    /// RFC 6120 §4.9: a stream error and the end.
    void close(std::string& out, std::string_view condition, std::string_view text = {});

private:
    Kind header(std::string& out);
    Kind read(std::string& out);
    Kind authenticate(Element said, std::string& out);
    Kind step(std::string_view message, std::string& out);
    Kind refuse(std::string_view condition, std::string& out);
    Kind bind(Element request, std::string& out);
    Kind stanza(Element stanza, std::string& out);
    Kind give_up(std::string& out, std::string_view condition);
    bool is_ours(Element request) const;

    const Credentials account_;
    XmppStream stream_;
    std::optional<SaslExchange> exchange_;
    int failures_ = 0;
    bool has_header_ = false, is_authenticated_ = false, is_bound_ = false, is_closed_ = false;
    std::string resource_, xml_;
    Tape tape_;
};

/// A random name of a resource or an id.
std::string random_name();

}   // namespace tambo::funxmpp
