#include "stream/framer.hpp"

#include <algorithm>
#include <cstring>

namespace tambo {

namespace {

constexpr std::string_view cdata_opener = "[CDATA[";

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Near enough: what cannot begin a name must not begin a tag; which of the rest may is for the reader to judge.
constexpr bool may_begin_name(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           static_cast<unsigned char>(c) >= 0x80;
}

constexpr auto ends_plain_run = [] {
    std::array<bool, 256> table{};
    for (const char c : {'<', '>', '/', '\'', '"'}) table[static_cast<unsigned char>(c)] = true;
    return table;
}();

std::size_t space_length(std::string_view bytes) noexcept {
    return static_cast<std::size_t>(std::ranges::find_if_not(bytes, is_space) - bytes.begin());
}

// RFC 6120 §11.6: only UTF-8. These bytes begin UTF-16 and UTF-32 and never occur in UTF-8 text.
constexpr bool begins_other_encoding(char c) noexcept { return c == '\xfe' || c == '\xff' || c == '\0'; }

}   // namespace

/// What one call of find() works with; the Framer itself is what lives on between two.
struct Framer::Scan {
    std::string_view bytes;
    std::size_t at;
    const FrameLimits& limits;
    StreamCondition condition = StreamCondition::not_well_formed;
    std::string_view text = {};

    bool is_at_end() const noexcept { return at >= bytes.size(); }
    char now() const noexcept { return bytes[at]; }

    /// Moves behind the next `c`, or to the end.
    bool skip_past(char c) noexcept {
        const void* found = std::memchr(bytes.data() + at, c, bytes.size() - at);
        at = found ? static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data()) + 1 : bytes.size();
        return found != nullptr;
    }
    Step refuse(StreamCondition why, std::string_view words) noexcept {
        condition = why;
        text = words;
        return Step::refused;
    }
};

bool is_tag_named(std::string_view tag, std::string_view qualified_name) noexcept {
    tag.remove_prefix(1);
    if (!tag.starts_with(qualified_name) || tag.size() == qualified_name.size()) return false;
    const char after = tag[qualified_name.size()];
    return is_space(after) || after == '>' || after == '/';
}

Codec::Frame Framer::find(std::string_view bytes, std::size_t seen, const FrameLimits& limits) noexcept {
    // Beyond the limit nothing is looked at, so the verdict does not depend on how the bytes were cut on their way.
    Scan scan{bytes.substr(0, limits.bytes), seen, limits};
    while (!scan.is_at_end()) {
        switch (advance(scan)) {
            case Step::onward:
                break;
            case Step::whole:
                where_ = Where::gap;
                return {.found = Codec::Found::frame, .used = scan.at};
            case Step::refused:
                return {.found = Codec::Found::error, .condition = scan.condition, .text = scan.text};
        }
    }
    if (bytes.size() > limits.bytes)
        return {
            .found = Codec::Found::error, .condition = StreamCondition::policy_violation, .text = "stanza is too long"};
    // A whole frame would get this from the reader; an unfinished one need not be waited for.
    if (bytes.find('\0', seen) != std::string_view::npos)
        return {.found = Codec::Found::error, .condition = StreamCondition::not_well_formed, .text = "NUL"};
    return {.found = Codec::Found::need_more, .looked = bytes.size()};
}

Framer::Step Framer::advance(Scan& scan) noexcept {
    switch (where_) {
        case Where::gap:
            return in_gap(scan);
        case Where::declaration:
            return in_declaration(scan);
        case Where::prolog:
            return in_prolog(scan);
        case Where::markup:
            return in_markup(scan);
        case Where::tag:
            return in_tag(scan);
        case Where::value:
            return in_value(scan);
        case Where::slash:
            return in_slash(scan);
        case Where::end_tag:
            return in_end_tag(scan);
        case Where::text:
            return in_text(scan);
        case Where::bang:
            return in_bang(scan);
        case Where::cdata:
            return in_cdata(scan);
    }
    return scan.refuse(StreamCondition::internal_server_error, "codec state is damaged");
}

Framer::Step Framer::in_gap(Scan& scan) noexcept {
    if (const auto length = space_length(scan.bytes); length > 0) {
        scan.at = length;
        if (phase_ != Phase::opening) return Step::whole;   // RFC 6120 §4.6.1: a keepalive
        padding_ += static_cast<std::uint32_t>(length);
        return padding_ > scan.limits.bytes ? scan.refuse(StreamCondition::policy_violation, "white space")
                                            : Step::whole;
    }
    if (phase_ == Phase::closed)
        return scan.refuse(StreamCondition::not_well_formed, "data behind the end of the stream");
    if (scan.now() == '<') {
        ++scan.at;
        where_ = Where::markup;
        return Step::onward;
    }
    if (phase_ == Phase::opening && begins_other_encoding(scan.now()))
        return scan.refuse(StreamCondition::unsupported_encoding, "only UTF-8 is spoken here");
    return scan.now() == '\0' ? scan.refuse(StreamCondition::not_well_formed, "NUL")
                              : scan.refuse(StreamCondition::bad_format, "text outside of stanzas");
}

// Only at the very start of a stream; elsewhere it is a processing instruction (RFC 6120 §11.1, §11.5).
Framer::Step Framer::in_declaration(Scan& scan) noexcept {
    constexpr std::string_view opener = "<?xml";
    for (; scan.at <= opener.size() && !scan.is_at_end(); ++scan.at) {
        const bool fits = scan.at < opener.size() ? scan.now() == opener[scan.at] : is_space(scan.now());
        if (!fits) return scan.refuse(StreamCondition::restricted_xml, "processing instruction");
    }
    if (scan.skip_past('>') && scan.bytes[scan.at - 2] == '?') where_ = Where::prolog;
    return Step::onward;
}

Framer::Step Framer::in_prolog(Scan& scan) noexcept {
    scan.at += space_length(scan.bytes.substr(scan.at));
    if (scan.is_at_end()) return Step::onward;
    if (scan.now() != '<') return scan.refuse(StreamCondition::bad_format, "text outside of stanzas");
    ++scan.at;
    where_ = Where::markup;
    return Step::onward;
}

Framer::Step Framer::in_markup(Scan& scan) noexcept {
    const char c = scan.now();
    const bool is_first = scan.at == 1;
    ++scan.at;
    if (may_begin_name(c)) {
        where_ = Where::tag;
        attributes_ = 0;
        return Step::onward;
    }
    switch (c) {
        case '/':
            if (phase_ == Phase::opening)
                return scan.refuse(StreamCondition::not_well_formed, "end tag without a start");
            where_ = Where::end_tag;
            return Step::onward;
        case '!':
            where_ = Where::bang;
            matched_ = 0;
            return Step::onward;
        case '?':
            if (phase_ != Phase::opening || !is_first)
                return scan.refuse(StreamCondition::restricted_xml, "processing instruction");
            where_ = Where::declaration;
            return Step::onward;
        default:
            return scan.refuse(StreamCondition::not_well_formed, "no name behind '<'");
    }
}

Framer::Step Framer::in_tag(Scan& scan) noexcept {
    const auto* const begin = scan.bytes.data();
    const auto* const end = begin + scan.bytes.size();
    const auto* p =
        std::find_if(begin + scan.at, end, [](char c) { return ends_plain_run[static_cast<unsigned char>(c)]; });
    scan.at = static_cast<std::size_t>(p - begin);
    if (p == end) return Step::onward;
    ++scan.at;
    switch (*p) {
        case '>':
            return start_tag_ends(scan, false);
        case '/':
            where_ = Where::slash;
            return Step::onward;
        case '<':
            return scan.refuse(StreamCondition::not_well_formed, "'<' in a tag");
        default:
            break;
    }
    if (++attributes_ > scan.limits.attributes)
        return scan.refuse(StreamCondition::policy_violation, "too many attributes");
    quote_ = static_cast<std::uint8_t>(*p);
    where_ = Where::value;
    return Step::onward;
}

Framer::Step Framer::in_value(Scan& scan) noexcept {
    if (scan.skip_past(static_cast<char>(quote_))) where_ = Where::tag;
    return Step::onward;
}

Framer::Step Framer::in_slash(Scan& scan) noexcept {
    if (scan.now() != '>') return scan.refuse(StreamCondition::not_well_formed, "'/' in a tag");
    ++scan.at;
    return start_tag_ends(scan, true);
}

Framer::Step Framer::start_tag_ends(Scan& scan, bool is_empty) noexcept {
    if (depth_ >= scan.limits.depth) return scan.refuse(StreamCondition::policy_violation, "nested too deeply");
    if (depth_ == 0) {
        if (phase_ == Phase::opening) return header_ends(scan, is_empty);
        // Its end tag may never come, so this can't wait until the element is whole.
        if (is_tag_named(scan.bytes, "stream:stream"))
            return scan.refuse(StreamCondition::unsupported_stanza_type, "a stream within a stream");
        if (is_empty) return Step::whole;
    }
    if (!is_empty) ++depth_;
    where_ = Where::text;
    return Step::onward;
}

// RFC 6120 §4.8.5, §4.9.3.1, §4.9.3.2
Framer::Step Framer::header_ends(Scan& scan, bool is_empty) noexcept {
    auto root = scan.bytes.substr(0, scan.at);
    if (root.starts_with("<?")) root.remove_prefix(root.find("?>") + 2);
    root.remove_prefix(space_length(root));
    if (!is_tag_named(root, "stream:stream")) {
        const auto name = root.substr(1, root.find_first_of(" \t\r\n/>") - 1);
        return name == "stream" || name.ends_with(":stream")
                   ? scan.refuse(StreamCondition::bad_namespace_prefix, "the prefix has to be 'stream'")
                   : scan.refuse(StreamCondition::bad_format, "a stream begins with <stream:stream>");
    }
    if (is_empty) return scan.refuse(StreamCondition::bad_format, "the stream ends where it begins");
    phase_ = Phase::open;
    return Step::whole;
}

Framer::Step Framer::in_end_tag(Scan& scan) noexcept {
    if (!scan.skip_past('>')) return Step::onward;
    if (depth_ == 0) {
        phase_ = Phase::closed;
        return Step::whole;
    }
    --depth_;
    if (depth_ == 0) return Step::whole;
    where_ = Where::text;
    return Step::onward;
}

Framer::Step Framer::in_text(Scan& scan) noexcept {
    if (scan.skip_past('<')) where_ = Where::markup;
    return Step::onward;
}

// Behind "<!": CDATA is the one thing that may follow, and only inside an element.
Framer::Step Framer::in_bang(Scan& scan) noexcept {
    if (matched_ == 0 && scan.now() != '[')
        return scan.refuse(StreamCondition::restricted_xml, "comment or document type");
    if (depth_ == 0) return scan.refuse(StreamCondition::bad_format, "text outside of stanzas");
    if (scan.now() != cdata_opener[matched_])
        return scan.refuse(StreamCondition::not_well_formed, "neither CDATA nor tag");
    ++scan.at;
    if (++matched_ == cdata_opener.size()) where_ = Where::cdata;
    return Step::onward;
}

// Looking back is safe: the opener ends with '[', so "]]>" can't reach into it.
Framer::Step Framer::in_cdata(Scan& scan) noexcept {
    if (scan.skip_past('>') && scan.bytes.substr(scan.at - 3, 2) == "]]") where_ = Where::text;
    return Step::onward;
}

}   // namespace tambo
