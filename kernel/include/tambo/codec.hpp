// Codecs: how a stream looks on the wire. The kernel has one for XML; modules bring others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <tambo/result.hpp>
#include <tambo/stanza.hpp>

namespace tambo {

/// What bounds one frame; the kernel raises `bytes` after authentication.
struct FrameLimits {
    std::size_t bytes = std::size_t{10} * 1024;
    std::uint32_t depth = 64;
    std::uint32_t attributes = 64;   ///< of one element, namespace declarations included
};

/// RFC 6120 §4.7: the attributes of a stream header, either way.
struct StreamHeader {
    std::string to, from, id, version, lang;
};

/// What a stream's header declared beyond the usual, for every stanza in it. Empty for nearly all clients.
struct StreamContext {
    std::string declarations;   ///< ` xmlns:x='…'`, escaped; decode() makes stanzas that don't need them any more
    std::string lang;           ///< xml:lang of the header (RFC 6120 §4.7.4)
};

/// One wire format, on one shard. Keeps nothing per stream: what it must remember between two frames of a stream is in
/// `State`, which the kernel holds. So a codec can be swapped between any two frames.
class TAMBO_API Codec {
public:
    using State = std::array<std::uint8_t, 32>;   ///< all zero at the start of a stream

    enum class Found : std::uint8_t { need_more, frame, error };
    struct Frame {
        Found found = Found::need_more;
        std::size_t used = 0;     ///< `frame`: its length, from the first byte given
        std::size_t looked = 0;   ///< `need_more`: bytes that need not be shown again to find the end
        StreamCondition condition = StreamCondition::bad_format;
        std::string_view text = {};
    };
    enum class Kind : std::uint8_t { stanza, header, footer, nothing, error };
    struct Decoded {
        Kind kind = Kind::nothing;
        StreamCondition condition = StreamCondition::bad_format;
        std::string_view text = {};
    };

    virtual ~Codec();
    virtual std::string_view name() const noexcept = 0;

    /// Finds the end of the next frame in `bytes`, of which the first `seen` were looked at before.
    virtual Frame find(std::string_view bytes, std::size_t seen, State& state, const FrameLimits& limits) = 0;
    /// Reads a whole frame: into `stanza` (tape only; the kernel calls adopt()), or into `header` and `context`.
    virtual Decoded decode(std::string_view frame, const FrameLimits& limits, StreamContext& context,
                           StreamHeader& header, Stanza& stanza) = 0;

    virtual void write_header(std::string& out, const StreamHeader& header) = 0;
    virtual void write_footer(std::string& out) = 0;
    virtual void write(std::string& out, const Stanza& stanza) = 0;
    /// A stream-level element given as XML: features, errors, SASL.
    virtual void write_element(std::string& out, std::string_view xml) = 0;
};

}   // namespace tambo
