#include "net/http_request.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <charconv>
#include <netinet/in.h>

namespace tambo {

namespace {

constexpr std::string_view scheme = "http://";

std::string lower(std::string_view text) {
    std::string out{text};
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

bool is_port(std::string_view text) {
    return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// "localhost:5280", "[::1]:5280" (RFC 3986 §3.2.2) without the port; nullopt if it is neither.
std::optional<std::string> name_of(std::string_view authority) {
    const bool is_literal = authority.starts_with('[');
    const auto end = is_literal ? authority.find(']') : authority.find(':');
    if (is_literal && end == std::string_view::npos) return std::nullopt;
    const auto name = is_literal ? authority.substr(1, end - 1) : authority.substr(0, end);
    const auto rest = end == std::string_view::npos ? std::string_view{} : authority.substr(is_literal ? end + 1 : end);
    if (name.empty() || (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1))))) return std::nullopt;
    return lower(name);
}

bool is_ip_address(const std::string& name) {
    in6_addr scratch{};
    return inet_pton(AF_INET, name.c_str(), &scratch) == 1 || inet_pton(AF_INET6, name.c_str(), &scratch) == 1;
}

// An address in place of a name: nobody can make that lead elsewhere.
bool is_ours(const std::string& name, std::span<const std::string> domains) {
    return is_ip_address(name) || name == "localhost" || name.ends_with(".localhost") ||
           std::ranges::find(domains, name) != domains.end();
}

bool is_known(std::string_view method) {
    constexpr std::array known = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    return std::ranges::find(known, method) != known.end();
}

// RFC 9112 §3.2: "/path?query" or, as proxies write it, "http://host/path?query". The host there counts more than Host.
struct Target {
    std::string_view authority, path, query;
};

std::optional<Target> split(std::string_view text) {
    Target target;
    if (text.starts_with(scheme)) {
        text.remove_prefix(scheme.size());
        target.authority = text.substr(0, text.find_first_of("/?"));
        if (target.authority.empty()) return std::nullopt;
        text.remove_prefix(target.authority.size());
        if (text.empty()) text = "/";
    }
    if (!text.starts_with('/')) return std::nullopt;
    const auto question = text.find('?');
    target.path = text.substr(0, question);
    if (question != std::string_view::npos) target.query = text.substr(question + 1);
    return target;
}

bool is_from_our_page(std::string_view origin, std::span<const std::string> domains) {
    if (origin.empty()) return true;   // no browser, or no page
    const auto at = origin.find("://");
    const auto name = at == std::string_view::npos ? std::nullopt : name_of(origin.substr(at + 3));
    return name && is_ours(*name, domains);
}

}   // namespace

HttpReply refusal(unsigned status, std::string_view sentence) {
    HttpReply reply;
    reply.status = status;
    reply.body = std::string{sentence} + "\n";
    return reply;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned char c = static_cast<unsigned char>(text[i]);
        if (c == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const auto* digits = text.data() + i + 1;
            const auto [end, error] = std::from_chars(digits, digits + 2, c, 16);
            if (error != std::errc{} || end != digits + 2) return std::nullopt;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f) return std::nullopt;
        out += static_cast<char>(c);
    }
    return out;
}

std::expected<HttpRequest, HttpReply> admit(const HttpHead& head, std::span<const std::string> domains) {
    const auto refuse = [](unsigned status, std::string_view sentence) {
        return std::unexpected{refusal(status, sentence)};
    };
    if (!is_known(head.method)) return refuse(501, "This method is not known here.");
    const auto target = split(head.target);
    auto path = target ? percent_decoded(target->path) : std::nullopt;
    if (!path) return refuse(400, "The path is malformed.");
    if (!head.has_host && !head.is_http10) return refuse(400, "The Host is missing.");   // RFC 9112 §3.2
    const auto authority = target->authority.empty() ? head.host : target->authority;
    if (!authority.empty() || head.has_host) {
        const auto name = name_of(authority);
        if (!name) return refuse(400, "The Host is malformed.");
        if (!is_ours(*name, domains)) return refuse(421, "This host is not served here.");   // RFC 9110 §15.5.20
    }
    if (!is_from_our_page(head.origin, domains)) return refuse(403, "Pages of other sites may not ask here.");
    HttpRequest request;
    request.method = head.method;
    request.path = std::move(*path);
    request.query = target->query;
    request.type = head.type;
    return request;
}

}   // namespace tambo
