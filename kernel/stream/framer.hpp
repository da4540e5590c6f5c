// Finds where a frame of an XML stream ends (RFC 6120 §4, §11).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tambo/codec.hpp>

namespace tambo {

/// Finds where the next frame of a stream ends, without understanding it.
///
/// A frame is the stream header (with its XML declaration), a whole first-level element, the stream's end tag, or a run
/// of white space between them. What RFC 6120 §11.1 forbids and what exceeds the limits is refused as soon as it is
/// seen, even if the element around it never ends; whether a frame is well-formed is for Reader to judge.
///
/// It is its own state: 32 bytes that can be copied, all zero at the start of a stream. Never looks twice at the bytes
/// of an unfinished frame, never allocates, never throws.
class Framer {
public:
    /// `bytes` begins where the frame begins; its first `seen` bytes were given before.
    Codec::Frame find(std::string_view bytes, std::size_t seen, const FrameLimits& limits) noexcept;
    /// What comes next is a stanza, or white space, or the end of the stream.
    bool is_between_stanzas() const noexcept { return phase_ == Phase::open && where_ == Where::gap; }

private:
    enum class Phase : std::uint8_t { opening, open, closed };
    enum class Where : std::uint8_t { gap, declaration, prolog, markup, tag, value, slash, end_tag, text, bang, cdata };
    enum class Step : std::uint8_t { onward, whole, refused };
    struct Scan;

    Step advance(Scan& scan) noexcept;
    Step in_gap(Scan& scan) noexcept;
    Step in_declaration(Scan& scan) noexcept;
    Step in_prolog(Scan& scan) noexcept;
    Step in_markup(Scan& scan) noexcept;
    Step in_tag(Scan& scan) noexcept;
    Step in_value(Scan& scan) noexcept;
    Step in_slash(Scan& scan) noexcept;
    Step in_end_tag(Scan& scan) noexcept;
    Step in_text(Scan& scan) noexcept;
    Step in_bang(Scan& scan) noexcept;
    Step in_cdata(Scan& scan) noexcept;
    Step start_tag_ends(Scan& scan, bool is_empty) noexcept;
    Step header_ends(Scan& scan, bool is_empty) noexcept;

    Phase phase_ = Phase::opening;
    Where where_ = Where::gap;
    std::uint8_t quote_ = 0;         // which of ' and " ends the attribute value
    std::uint8_t matched_ = 0;       // characters of "[CDATA[" seen
    std::uint32_t depth_ = 0;        // elements open within this frame
    std::uint32_t attributes_ = 0;   // of the start tag being read
    std::uint32_t padding_ = 0;      // white space seen before the header
    [[maybe_unused]] std::array<std::uint8_t, 16> unused_{};
};

static_assert(sizeof(Framer) == sizeof(Codec::State));

/// True if `tag`, which begins with '<', is a tag of exactly that qualified name.
bool is_tag_named(std::string_view tag, std::string_view qualified_name) noexcept;

}   // namespace tambo
