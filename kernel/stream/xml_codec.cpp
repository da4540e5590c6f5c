#include "stream/xml_codec.hpp"

#include <cstring>
#include <utility>

#include "stream/escape.hpp"
#include "stream/framer.hpp"
#include "stream/plain_parser.hpp"
#include "stream/reader.hpp"

namespace tambo {

Codec::~Codec() = default;

namespace {

constexpr std::string_view stream_tag = "stream:stream";
constexpr std::string_view footer = "</stream:stream>";

Codec::Decoded refused(StreamCondition condition, std::string_view text) {
    return {.kind = Codec::Kind::error, .condition = condition, .text = text};
}

/// What the default namespace of an element is declared to be; null if it isn't declared.
const Tape::Node* default_namespace(const Tape& tape) noexcept {
    for (std::size_t i = 1; i < tape.nodes.size() && tape.nodes[i].kind == Tape::Kind::declaration; ++i)
        if (tape.nodes[i].name.length == 0) return &tape.nodes[i];
    return nullptr;
}

/// All that a header declares besides what every stream declares.
std::string further_declarations(const Tape& tape) {
    std::string out;
    for (std::size_t i = 1; i < tape.nodes.size() && tape.nodes[i].kind == Tape::Kind::declaration; ++i) {
        const auto prefix = tape.at(tape.nodes[i].name);
        if (prefix.empty() || prefix == "stream" || prefix == "xml") continue;
        write_attribute(out, "xmlns:" + std::string{prefix}, tape.at(tape.nodes[i].value));
    }
    return out;
}

class XmlCodec final : public Codec {
public:
    std::string_view name() const noexcept override { return "xml"; }

    Frame find(std::string_view bytes, std::size_t seen, Stream& stream, const FrameLimits& limits) override {
        Framer framer;
        std::memcpy(&framer, stream.state.data(), sizeof framer);
        const bool is_readable = seen == 0 && framer.is_between_stanzas() && is_usual(stream);
        ahead_length_ = is_readable ? read_ahead(bytes, limits) : 0;
        if (ahead_length_ > 0) return {.found = Found::frame, .used = ahead_length_};
        const auto frame = framer.find(bytes, seen, limits);
        std::memcpy(stream.state.data(), &framer, sizeof framer);
        return frame;
    }

    Decoded decode(std::string_view frame, const FrameLimits& limits, Stream& stream, StreamHeader& header,
                   Stanza& stanza) override {
        if (std::exchange(ahead_length_, 0) == frame.size() && is_usual(stream) &&
            PlainParser::has_read(ahead_, frame)) {
            std::swap(stanza.tape(), ahead_);
            return {.kind = Kind::stanza};
        }
        if (!frame.starts_with('<')) return {.kind = Kind::nothing};
        if (frame.starts_with("</")) return read_footer(frame);
        if (frame.starts_with("<?") || is_tag_named(frame, stream_tag)) return read_header(frame, stream, header);
        const auto* context = stream.context();
        const auto& declarations = context != nullptr ? context->declarations : none_;
        if (const auto fault = reader_.read(frame, declarations, limits.bytes, stanza.tape()))
            return refused(fault->condition, fault->text);
        return {.kind = Kind::stanza};
    }

    void write_header(std::string& out, const StreamHeader& header, Stream&) override {
        out +=
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";
        const std::pair<std::string_view, std::string_view> attributes[] = {
            {"id", header.id},           {"from", header.from},     {"to", header.to},
            {"version", header.version}, {"xml:lang", header.lang},
        };
        for (const auto& [name, value] : attributes)
            if (!value.empty()) write_attribute(out, name, value);
        out += '>';
    }
    void write_footer(std::string& out) override { out += footer; }
    bool write(std::string& out, const Stanza& stanza, Stream&) override {
        stanza.write(out);
        return true;
    }
    bool write_element(std::string& out, std::string_view xml, Stream&) override {
        out += xml;
        return true;
    }

private:
    static Decoded read_footer(std::string_view frame) {
        const auto name_end = frame.find_first_of(" \t\r\n>");
        const bool fits = frame.substr(0, name_end) == footer.substr(0, footer.size() - 1) &&
                          frame.find_first_not_of(" \t\r\n", name_end) == frame.size() - 1;
        return fits ? Decoded{.kind = Kind::footer}
                    : refused(StreamCondition::not_well_formed, "not the stream's end tag");
    }

    // Who comes mostly says what the one before said, byte by byte, and making a parser is a good part of a login.
    Decoded read_header(std::string_view frame, Stream& stream, StreamHeader& header) {
        constexpr std::size_t longest_known = 512;
        if (frame == last_header_) {
            header = last_said_;
            return {.kind = Kind::header};
        }
        const auto decoded = parse_header(frame, stream, header);
        // Not one with a name in it: how long an answer takes must not tell who was here.
        const bool is_usual_header = decoded.kind == Kind::header && header.from.empty() && stream.context() == nullptr;
        if (is_usual_header && frame.size() <= longest_known) {
            last_header_ = frame;
            last_said_ = header;
        }
        return decoded;
    }

    // RFC 6120 §4.7, §4.8, §4.9.3
    static Decoded parse_header(std::string_view frame, Stream& stream, StreamHeader& header) {
        Tape tape;
        if (const auto fault = TapeParser{{}}.read(std::string{frame}.append(footer), tape))
            return refused(fault->condition, fault->text);
        const Element root{tape, 0};
        if (tape.at(tape.nodes.front().name) != stream_tag)
            return refused(StreamCondition::bad_format, "not a stream header");
        if (root.space() != ns::streams)
            return refused(StreamCondition::invalid_namespace, "not the namespace of streams");
        const auto* content = default_namespace(tape);
        if (content == nullptr || tape.at(content->value) != ns::client)
            return refused(StreamCondition::invalid_namespace, "the default namespace has to be jabber:client");
        header = {.to = std::string{root.attribute("to")},
                  .from = std::string{root.attribute("from")},
                  .id = {},
                  .version = std::string{root.attribute("version")},
                  .lang = std::string{root.lang()}};
        auto declarations = further_declarations(tape);
        if (!declarations.empty() || !header.lang.empty())
            stream.make_context() = {.declarations = std::move(declarations), .lang = header.lang};
        return {.kind = Kind::header};
    }

    /// Its header declared nothing that stanzas could lean on.
    static bool is_usual(const Stream& stream) noexcept {
        return stream.context() == nullptr || stream.context()->declarations.empty();
    }

    // A plain stanza that is here as a whole is read while its end is sought. All else is for framer and reader.
    std::size_t read_ahead(std::string_view bytes, const FrameLimits& limits) {
        return PlainParser::read(bytes.substr(0, limits.bytes),
                                 {.depth = limits.depth, .attributes = limits.attributes}, ahead_);
    }

    const std::string none_;
    Reader reader_;
    std::size_t ahead_length_ = 0;   // of the frame that was found last, if it is read already …
    Tape ahead_;                     // … to this
    std::string last_header_;        // that declared nothing …
    StreamHeader last_said_;         // … and what it said
};

}   // namespace

std::unique_ptr<Codec> make_xml_codec() { return std::make_unique<XmlCodec>(); }

}   // namespace tambo
