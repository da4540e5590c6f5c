// FunXMPP as a wire of the server: the library behind the kernel's Codec interface.
#pragma once

#include <memory>
#include <string_view>

#include <tambo/codec.hpp>

#include "dialect.hpp"

namespace tambo::funxmpp {

/// What an operator may say about it.
struct Policy {
    bool classic = true, page = true;   ///< which dialects there are
    bool direct = true;                 ///< a connection may begin with a prologue
    std::uint32_t nodes = 10000;        ///< in one payload
};

/// "funxmpp" and "funxmpp-page": the names of the codecs, as the operator sees them.
std::string_view codec_name(Dialect dialect) noexcept;

/// One per shard and dialect. Between two frames a stream's slots are bytes in the kernel's hands (StreamMemory::in,
/// ::out), and nothing else is remembered.
std::unique_ptr<Codec> make_codec(Dialect dialect, const Policy& policy);

}   // namespace tambo::funxmpp
