// What every part of the codec agrees on: dialects, faults, limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tambo::funxmpp {

enum class Dialect : std::uint8_t {
    classic,   ///< WhatsApp 1.5, prologue 57 41 01 05
    md,        ///< multi-device with dictionary 3, prologue 57 41 06 03; a payload starts with a flag byte
    page,      ///< classic with the tambo page, prologue 57 41 74 01: see man/funxmpp.md
};

/// The page dialect's version, and what tells its page from others: SHA-256 in hexadecimal, of each token with a line
/// feed behind it.
inline constexpr unsigned page_version = 1;
std::string_view page_hash() noexcept;

/// What can be wrong with bytes. The codes that to_string gives are those of the test vectors and of man/funxmpp.md.
enum class Fault : std::uint8_t {
    none,
    truncated,
    empty_node,
    bad_list_tag,
    null_tag,
    null_key,
    unknown_token,
    list_as_string,
    stream_control,
    bad_packed,
    nested_jid,
    bad_jid,
    bad_name,
    bad_utf8,
    bad_xml_char,
    duplicate_attribute,
    trailing,
    depth,
    too_many_nodes,
    too_many_attributes,
    frame_too_large,
    bad_frame_flags,
    bad_prologue,
    inflate_limit,
    // beyond the vectors:
    name_too_long,
    text_too_large,
    bad_deflate,
    undeclared_prefix,
    bad_namespace,
    bad_slot,
};

/// "TRUNCATED" and so on.
std::string_view to_string(Fault fault) noexcept;
/// The stream error condition of RFC 6120 §4.9.3 that a fault ends a stream with.
std::string_view stream_error(Fault fault) noexcept;

/// What bounds one payload; the defaults are those of FunXMPP's description. Each is checked before memory is taken.
struct Limits {
    std::uint32_t depth = 64;         ///< at most max_depth
    std::uint32_t nodes = 10000;      ///< in one payload
    std::uint32_t attributes = 128;   ///< of one node, at most max_attributes; declarations included
    std::uint32_t name = 256;         ///< bytes of a tag or of an attribute's name
    std::size_t text = 262144;        ///< bytes of all names, values and text once decoded: tokens expand
    std::size_t inflated = 262144;    ///< bytes of a payload that came compressed
};
inline constexpr std::uint32_t max_depth = 255;
inline constexpr std::uint32_t max_attributes = 255;

}   // namespace tambo::funxmpp
