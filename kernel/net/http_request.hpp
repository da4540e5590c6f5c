// What an HTTP request asks for, and whether it may: no sockets here.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tambo/http.hpp>

namespace tambo {

/// A request as it was written, before anybody believed it. Views last as long as the request does.
struct HttpHead {
    std::string_view method, target, host, origin, type;
    bool has_host = false;
    bool is_http10 = false;   ///< which did not demand a Host
};

/// The request as modules see it (without its body), or the refusal to send instead: 400 for what is malformed, 421 for
/// a host that is not ours, 403 for a page of another site that asks, 501 for methods that nobody needs.
///
/// A page that somebody else wrote can make a browser on this machine ask us, by a name of its own that leads to our
/// address ("DNS rebinding"). So the host has to be an IP address, a name of the loopback, or one of `domains`.
std::expected<HttpRequest, HttpReply> admit(const HttpHead& head, std::span<const std::string> domains);

/// A refusal: status and one sentence.
HttpReply refusal(unsigned status, std::string_view sentence);

/// RFC 3986 §2.1; nullopt if it is not well-formed or hides a control character.
std::optional<std::string> percent_decoded(std::string_view text);

}   // namespace tambo
