// The XML that nearly all stanzas are made of, read in one pass.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <tambo/xml.hpp>

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
        std::uint32_t depth = most;
        std::uint32_t attributes = most;   ///< of one element, the namespace declaration included
    };

    /// Reads the element at the beginning of `bytes`, as content of jabber:client, and tells its length. 0: it is not
    /// plain, or not within the bounds; then nothing on the tape is of use.
    static std::size_t read(std::string_view bytes, const Bounds& bounds, Tape& tape);
    /// True if `element` is one plain element.
    static bool read(std::string_view element, Tape& tape) {
        return !element.empty() && read(element, Bounds{}, tape) == element.size();
    }

    /// True if `tape`, as read() left it, is that of `element`, which is as long as what was read.
    static bool has_read(const Tape& tape, std::string_view element) noexcept {
        return std::string_view{tape.text}.substr(input_begins).starts_with(element);
    }

private:
    static constexpr std::uint32_t most = 32;   // deeper and richer elements are for expat

    // Tape::text is the namespace of nearly all stanzas, then the input, then what was decoded. Where that begins is
    // known at the end only, so until then its offsets are marked.
    static constexpr auto input_begins = static_cast<std::uint32_t>(ns::client.size());
    static constexpr std::uint32_t decoded_mark = std::uint32_t{1} << 31;

    PlainParser(std::string_view bytes, const Bounds& bounds, Tape& tape) noexcept
        : tape_(tape),
          decoded_(tape.text),
          begin_(bytes.data()),
          end_(begin_ + bytes.size()),
          at_(begin_),
          max_depth_(std::min(bounds.depth, most)),
          max_attributes_(std::min(bounds.attributes, most)) {}

    std::size_t run();
    bool start_tag();
    bool start_tag_ends(std::uint32_t element, bool is_empty);
    bool attributes(std::uint32_t element);
    bool attribute(std::uint32_t element);
    bool attribute_name(Tape::Node& attribute);
    Tape::Span space_of_xml();
    bool attribute_value(Tape::Node& attribute);
    bool keep_attribute(std::uint32_t element, Tape::Node& attribute);
    bool keep_declaration(std::uint32_t element, Tape::Node& declaration);
    bool end_tag();
    bool text();
    bool characters(char stop, char unwanted, Tape::Span& value);
    bool reference();
    bool numbered_reference(std::string_view number);
    bool multibyte() noexcept;
    std::string_view name() noexcept;
    void skip_space() noexcept;
    bool is_next(char c) const noexcept { return at_ != end_ && *at_ == c; }
    void close(std::uint32_t element) noexcept;
    void finish();

    Tape::Node& add(Tape::Kind kind);
    bool declares(std::uint32_t element) const noexcept;
    Tape::Span from_input(const char* begin, const char* end) const noexcept;
    std::string_view input(Tape::Span span) const noexcept;
    std::uint32_t offset() const noexcept { return static_cast<std::uint32_t>(at_ - begin_); }

    Tape& tape_;
    std::string& decoded_;   // what does not stand in the input as it is meant: Tape::text, until the end
    const char* const begin_;
    const char* const end_;
    const char* at_;
    const std::uint32_t max_depth_, max_attributes_;
    std::uint32_t depth_ = 0;
    std::uint32_t inner_begin_ = 0, inner_end_ = 0;
    Tape::Span space_of_xml_{};                // once it was needed
    std::array<std::uint32_t, most> open_{};   // the elements around what is read, by node
};

}   // namespace tambo
