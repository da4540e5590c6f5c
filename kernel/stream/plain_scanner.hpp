// The words of plain XML: names, white space, character data.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <tambo/xml.hpp>

namespace tambo {

/// The lower half of PlainParser: moves over the input, and says false at what is not plain.
///
/// It lays Tape::text out: the namespace of nearly all stanzas, then the input, then what was decoded. Where that
/// begins is known at the end only, so until then its offsets are marked, and it stands in Tape::text alone.
class PlainScanner {
public:
    static constexpr auto input_begins = static_cast<std::uint32_t>(ns::client.size());
    static constexpr std::uint32_t decoded_mark = std::uint32_t{1} << 31;

protected:
    PlainScanner(std::string_view bytes, std::string& decoded) noexcept
        : decoded_(decoded), begin_(bytes.data()), end_(begin_ + bytes.size()), at_(begin_) {}
    ~PlainScanner() = default;
    PlainScanner(const PlainScanner&) = delete;
    PlainScanner& operator=(const PlainScanner&) = delete;

    /// Up to `stop`. `unwanted` is what may not stand here as it is: any '<' in an attribute, "]]>" in text.
    bool characters(char stop, char unwanted, Tape::Span& value);
    /// Empty if none begins here.
    std::string_view name() noexcept {
        const auto* begin = at_;
        if (at_ == end_ || name_classes[octet(*at_)] != beginning) return {};
        ++at_;
        while (at_ != end_ && name_classes[octet(*at_)] != no_name) ++at_;
        return {begin, at_};
    }
    void skip_space() noexcept {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
    }
    bool is_next(char c) const noexcept { return at_ != end_ && *at_ == c; }

    Tape::Span from_input(std::string_view piece) const noexcept {
        return {input_begins + static_cast<std::uint32_t>(piece.data() - begin_),
                static_cast<std::uint32_t>(piece.size())};
    }
    std::string_view input(Tape::Span span) const noexcept {
        return {begin_ + (span.offset - input_begins), span.length};
    }
    /// What was decoded since it had `before` bytes.
    Tape::Span from_decoded(std::size_t before) const noexcept {
        return {decoded_mark | static_cast<std::uint32_t>(before),
                static_cast<std::uint32_t>(decoded_.size() - before)};
    }
    std::uint32_t offset() const noexcept { return static_cast<std::uint32_t>(at_ - begin_); }
    static constexpr unsigned octet(char c) noexcept { return static_cast<unsigned char>(c); }

    std::string& decoded_;   // what does not stand in the input as it is meant
    const char* const begin_;
    const char* const end_;
    const char* at_;

private:
    bool reference();
    bool numbered_reference(std::string_view number);
    bool multibyte() noexcept;

    enum NameClass : std::uint8_t { no_name = 0, part = 1, beginning = 3 };

    static constexpr auto name_classes = [] {
        std::array<std::uint8_t, 256> table{};
        for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = beginning;
        for (unsigned c = '0'; c <= '9'; ++c) table[c] = part;
        table['_'] = beginning;
        table['-'] = table['.'] = part;
        return table;
    }();
};

}   // namespace tambo
