// The XML that nearly all stanzas are made of, read in one pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tambo/xml.hpp>

#include "stream/plain_scanner.hpp"

namespace tambo {

/// Reads one element, if it is plain: elements and attributes without prefix (and xml:lang), names in ASCII, valid
/// UTF-8, the five entities and character references.
///
/// It never judges. What is unusual, unfinished or wrong it leaves to expat (see TapeParser), which alone has words for
/// what is wrong. What it accepts, expat accepts, and both write tapes that say the same. Looks at each byte once, and
/// allocates nothing once the tape is warm.
class PlainParser {
public:
    struct Bounds {
        std::uint32_t depth = 32;        ///< this at most: deeper and richer elements are for expat
        std::uint32_t attributes = 32;   ///< likewise; of one element, the namespace declaration included
    };

    /// Reads the element at the beginning of `bytes`, as content of jabber:client, and tells its length. 0: it is not
    /// plain, or not within the bounds; then nothing on the tape is of use.
    static std::size_t read(std::string_view bytes, Bounds bounds, Tape& tape);
    /// True if `element` is one plain element.
    static bool read(std::string_view element, Tape& tape) {
        return !element.empty() && read(element, Bounds{}, tape) == element.size();
    }

    /// True if `tape`, as read() left it, is that of `element`, which is as long as what was read.
    static bool has_read(const Tape& tape, std::string_view element) noexcept {
        return std::string_view{tape.text}.substr(PlainScanner::input_begins).starts_with(element);
    }
};

}   // namespace tambo
