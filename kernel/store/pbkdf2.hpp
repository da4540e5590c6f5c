// RFC 8018 §5.2: PBKDF2 with HMAC, as SCRAM uses it (RFC 5802 §2.2, Hi).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tambo {

/// One block of it: as many bytes as the hash has. "SHA-1", "SHA-256" or "SHA-512"; throws std::invalid_argument for
/// anything else.
///
/// OpenSSL's own sets up two contexts for each of the rounds, which costs more than the hashing: this one keeps the
/// states behind both pads and feeds blocks to the compression function, which is still OpenSSL's.
std::string pbkdf2(std::string_view hash, std::string_view password, std::string_view salt, std::uint32_t iterations);

}   // namespace tambo
