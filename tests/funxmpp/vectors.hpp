// The test vectors, as they are in tests/data.
#pragma once

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include <boost/json.hpp>

#include "dialect.hpp"
#include "hex.hpp"

namespace tambo::funxmpp {

namespace json = boost::json;

inline json::object read_json(const std::string& name) {
    std::ifstream in{std::string{TAMBO_SOURCE_DIR} + "/tests/data/" + name};
    std::stringstream text;
    text << in.rdbuf();
    json::parse_options options;
    options.max_depth = 600;
    return json::parse(text.str(), {}, options).as_object();
}

inline const json::object& vectors() {
    static const auto all = read_json("funxmpp-vectors.json");
    return all;
}

inline std::string text_of(const json::object& vector, const char* key) {
    const auto* found = vector.if_contains(key);
    return found != nullptr && found->is_string() ? std::string{found->as_string()} : std::string{};
}

/// "hex", or "hex_parts" in a row.
inline std::string bytes_of(const json::object& vector) {
    const auto* parts = vector.if_contains("hex_parts");
    if (parts == nullptr) return from_hex(vector.at("hex").as_string()).value();
    std::string bytes;
    for (const auto& each : parts->as_array()) {
        const auto& part = each.as_object();
        const auto* repeated = part.if_contains("repeat");
        const auto times = repeated != nullptr ? part.at("count").to_number<std::size_t>() : 1;
        const auto piece = from_hex((repeated != nullptr ? *repeated : part.at("hex")).as_string()).value();
        for (std::size_t i = 0; i < times; ++i) bytes += piece;
    }
    return bytes;
}

inline Dialect dialect_of(std::string_view name) { return name == "md" ? Dialect::md : Dialect::classic; }

/// "about": attribute order is not significant, nor is how a text travelled.
inline json::object comparable(json::object tree) {
    tree.erase("text_kind");
    if (auto* attributes = tree.if_contains("attrs"))
        std::ranges::sort(attributes->as_array(), {},
                          [](const json::value& pair) { return std::string{pair.as_array()[0].as_string()}; });
    if (auto* children = tree.if_contains("children"))
        for (auto& child : children->as_array()) child = comparable(child.as_object());
    return tree;
}

}   // namespace tambo::funxmpp
