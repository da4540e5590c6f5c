#include "event.hpp"

#include <string_view>

#include <fmt/format.h>

#include <tambo/bytes.hpp>

namespace webhook {

namespace {

constexpr std::size_t id_letters = 24;

/// RFC 8259 §7. Stanzas are UTF-8 already, so only what JSON forbids is left.
std::string json_string(std::string_view text) {
    std::string out{"\""};
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out.append({'\\', c});
        else if (static_cast<unsigned char>(c) < 0x20)
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            out += c;
    }
    return out + '"';
}

}   // namespace

std::string event(const tambo::Stanza& message, tambo::Time now, bool with_body) {
    const auto type = message.type().empty() ? "normal" : message.type();   // RFC 6121 §5.2.2
    auto line = fmt::format(R"({{"id":{},"time":{},"from":{},"to":{},"type":{},"stanza_id":{},"bytes":{})",
                            json_string(tambo::random_token(id_letters)), json_string(tambo::format_time(now)),
                            json_string(message.from().text()), json_string(message.to().text()), json_string(type),
                            json_string(message.id()), message.body().size());
    if (with_body) line += ",\"body\":" + json_string(message.body());
    return line + '}';
}

}   // namespace webhook
