// From a framed stanza to a tape.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <tambo/codec.hpp>

#include "stream/tape_parser.hpp"

namespace tambo {

/// Reads the stanzas of many streams, one after the other, with one parser. It is never in the middle of one stream's
/// XML when another's arrives: stanzas come whole (see Framer), and each is read as content of jabber:client.
///
/// One per shard. Costs no allocation once warm. A stanza that is not well-formed costs a new parser, and so do
/// strangers' names when they have piled up (expat keeps each name that it ever saw).
class Reader {
public:
    static constexpr std::size_t max_parser_bytes = std::size_t{64} << 10;

    Reader();

    /// Reads one stanza. Afterwards its content leans on nothing but the stream's usual declarations: a prefix declared
    /// by the stanza's own start tag, or by the stream header (`declarations`, as in StreamContext), is written into
    /// each child that uses it. So inner() and every child can be put into any other stanza. `max_bytes` bounds what
    /// this adds.
    std::optional<Fault> read(std::string_view stanza, const std::string& declarations, std::size_t max_bytes,
                              Tape& tape);

    std::size_t memory() const noexcept { return parser_->memory(); }

private:
    std::optional<Fault> parse(std::string_view stanza, Tape& tape);
    std::optional<Fault> read_anew(std::string_view stanza, const std::string& declarations, std::size_t max_bytes,
                                   Tape& tape);

    std::unique_ptr<TapeParser> parser_;
};

}   // namespace tambo
