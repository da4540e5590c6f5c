// What the fuzzers of the binary wire have in common.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "decoder.hpp"
#include "encoder.hpp"
#include "tests/funxmpp/trees.hpp"
#include "xml_out.hpp"

namespace tambo::funxmpp {

inline Dialect dialect_of(std::uint8_t byte) { return static_cast<Dialect>(byte % 3); }

inline void require(bool is_true, const char* promise) {
    if (is_true) return;
    std::fprintf(stderr, "broken: %s\n", promise);
    std::abort();
}

/// Limits are one's own business; what is over them need not survive.
inline bool is_of_policy(const Decoded& decoded) { return stream_error(decoded.fault) == "policy-violation"; }

/// The tape as the kernel's parser reads what is written of it.
inline std::string told_by_parser(Tape tape, const Limits& limits) {
    require(write_inner(tape, 32 * limits.text), "XML is not many times its text");
    std::string xml;
    write_xml(tape, xml);
    const auto parsed = parse_xml(xml);
    require(parsed.has_value(), "what is decoded is well-formed XML");
    return told(*parsed);
}

}   // namespace tambo::funxmpp
