// Plain bytes, and the two ways in which XMPP writes them as text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tambo/export.hpp>

namespace tambo {

/// Bytes that belong to whoever holds them. A std::string, since every store, codec and hash here speaks it.
using Bytes = std::string;

/// RFC 4648 §4 with padding, as SASL and XEP-0115 want it.
TAMBO_API std::string base64(std::string_view bytes);
/// Strict: no white space, no missing padding, no stray bits; nullopt otherwise. "=" is what SASL writes for "empty"
/// and is *not* understood here (RFC 6120 §6.4.2 gives it its meaning).
TAMBO_API std::optional<Bytes> from_base64(std::string_view text);
/// Lower case hexadecimal.
TAMBO_API std::string hex(std::string_view bytes);

/// `count` bytes that nobody can guess, from the operating system.
TAMBO_API Bytes random_bytes(std::size_t count);
/// A token of `characters` characters out of [0-9a-z], unguessable: stream ids, resources, resumption ids.
TAMBO_API std::string random_token(std::size_t characters);

}   // namespace tambo
