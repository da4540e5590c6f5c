// What the first message of a TLS client says, before anything is computed for it.
#pragma once

#include <cstddef>
#include <string_view>

namespace tambo {

/// Longer ones are legal and are read by nobody but OpenSSL.
constexpr std::size_t max_hello_bytes = 4096;

/// Does a ClientHello offer to resume a session: a pre-shared key (RFC 8446 §4.2.11) or a ticket (RFC 5077 §3.2)?
/// `record` is what has come so far, from the first byte on. False for everything that is not a whole ClientHello in
/// one record. A claim, not a proof: whoever lies gets a full handshake a little earlier. Never throws, never
/// allocates.
bool offers_resumption(std::string_view record) noexcept;

}   // namespace tambo
