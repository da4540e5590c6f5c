#include "xmpp_stream.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "decoder.hpp"
#include "encoder.hpp"
#include "framing.hpp"
#include "stream/framer.hpp"
#include "stream/reader.hpp"
#include "xml_out.hpp"

namespace tambo::funxmpp {

namespace {

constexpr std::string_view footer = "</stream:stream>";
constexpr std::string_view stream_tag = "stream:stream";
constexpr std::size_t largest_frame = 0xf'ffff;

/// What a header declares besides what every stream declares.
std::string further_declarations(const Tape& tape) {
    std::string out;
    for (std::size_t i = 1; i < tape.nodes.size() && tape.nodes[i].kind == Tape::Kind::declaration; ++i) {
        const auto prefix = tape.at(tape.nodes[i].name);
        if (prefix.empty() || prefix == "stream" || prefix == "xml") continue;
        out.append(" xmlns:").append(prefix).append("='");
        escape_to(out, tape.at(tape.nodes[i].value));
        out += '\'';
    }
    return out;
}

std::string_view default_namespace(const Tape& tape) {
    for (std::size_t i = 1; i < tape.nodes.size() && tape.nodes[i].kind == Tape::Kind::declaration; ++i)
        if (tape.nodes[i].name.length == 0) return tape.at(tape.nodes[i].value);
    return {};
}

Came refused(std::string_view why) { return {Came::Kind::refused, why}; }

std::array<Attribute, 4> attributes_of(const Header& header) {
    return {{{"id", header.id}, {"from", header.from}, {"to", header.to}, {"version", "1.0"}}};
}

}   // namespace

std::string xml_header(const Header& header) {
    std::string out =
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";
    for (const auto& [name, value] : attributes_of(header)) {
        if (value.empty()) continue;
        out.append(" ").append(name.text).append("='");
        escape_to(out, value);
        out += '\'';
    }
    return out + '>';
}

struct XmppStream::Impl {
    Impl(std::optional<Dialect> dialect, const Bounds& bounds) : dialect(dialect), bounds(bounds) { begin(); }

    void begin() {
        framer = {};
        seen = 0;
        declarations.clear();
        slots_in = slots_out = {};
        if (!dialect) return;
        decoder.emplace(*dialect, Limits{.nodes = bounds.nodes, .text = bounds.element});
        encoder.emplace(*dialect);
    }
    void consume(std::size_t count) {
        buffer.erase(0, count);
        seen = 0;
        in.bytes += count;
    }

    /// nullopt: something that says nothing.
    std::optional<Came> next_xml(Tape& tape, std::string& xml) {
        const auto found = framer.find(buffer, seen, {.bytes = bounds.element});
        if (found.found == Codec::Found::error) return refused(to_string(found.condition));
        if (found.found == Codec::Found::need_more) {
            seen = found.looked;
            return Came{};
        }
        const auto frame = buffer.substr(0, found.used);
        consume(found.used);
        in.xml += frame.size();
        if (!frame.starts_with('<')) return std::nullopt;   // keeps the connection alive
        if (frame.starts_with("</")) return Came{Came::Kind::footer};
        if (frame.starts_with("<?") || is_tag_named(frame, stream_tag)) return header(frame, tape);
        if (const auto fault = reader.read(frame, declarations, bounds.element, tape))
            return refused(to_string(fault->condition));
        xml.clear();
        write_xml(tape, xml);
        return Came{Came::Kind::element};
    }
    Came header(const std::string& frame, Tape& tape) {
        if (const auto fault = TapeParser{{}}.read(frame + std::string{footer}, tape))
            return {Came::Kind::refused, to_string(fault->condition)};
        if (tape.at(tape.nodes.front().name) != stream_tag || Element{tape, 0}.space() != ns::streams ||
            default_namespace(tape) != ns::client)
            return {Came::Kind::refused, to_string(StreamCondition::invalid_namespace)};
        declarations = further_declarations(tape);
        return {Came::Kind::header};
    }

    std::optional<Came> next_binary(Tape& tape, std::string& xml) {
        const auto found = find_frame(buffer, *dialect, std::min(bounds.element, largest_frame));
        if (found.state == Found::State::refused) return refused(to_string(found.fault));
        if (found.state == Found::State::need_more) return Came{};
        const std::string payload{found.payload};
        consume(found.used);
        if (payload.empty()) {
            ++in.xml;   // a white space
            return std::nullopt;
        }
        const auto decoded = decoder->decode(payload, tape, &slots_in);
        switch (decoded.kind) {
            case Decoded::Kind::error:
                break;
            case Decoded::Kind::start: {
                const Element root{tape, 0};
                in.xml += xml_header({root.attribute("id"), root.attribute("from"), root.attribute("to")}).size();
                return Came{Came::Kind::header};
            }
            case Decoded::Kind::end:
                in.xml += footer.size();
                return Came{Came::Kind::footer};
            case Decoded::Kind::node:
                if (!write_inner(tape, bounds.element)) return refused(to_string(Fault::text_too_large));
                xml.clear();
                write_xml(tape, xml);
                in.xml += xml.size();
                return Came{Came::Kind::element};
        }
        return refused(to_string(decoded.fault));
    }

    template <class Encode>
    bool in_a_frame(std::string& to, Encode&& encode) {
        const auto opened = open_frame(to);
        const bool is_good = encode() && close_frame(to, opened, *dialect, largest_frame);
        out.bytes += to.size() - opened;
        return is_good;
    }

    std::optional<Dialect> dialect;
    Bounds bounds;
    std::string buffer, declarations;
    std::size_t seen = 0;
    Framer framer;
    Reader reader;
    std::optional<Decoder> decoder;
    std::optional<Encoder> encoder;
    Slots slots_in, slots_out;
    Tape scratch;
    Traffic in, out;
};

XmppStream::XmppStream(std::optional<Dialect> dialect) : XmppStream(dialect, Bounds{}) {}
XmppStream::XmppStream(std::optional<Dialect> dialect, const Bounds& bounds)
    : impl_(std::make_unique<Impl>(dialect, bounds)) {}
XmppStream::~XmppStream() = default;
XmppStream::XmppStream(XmppStream&&) noexcept = default;
XmppStream& XmppStream::operator=(XmppStream&&) noexcept = default;

void XmppStream::feed(std::string_view bytes) { impl_->buffer.append(bytes); }

Came XmppStream::next(Tape& tape, std::string& xml) {
    std::optional<Came> came;
    while (!came) came = impl_->dialect ? impl_->next_binary(tape, xml) : impl_->next_xml(tape, xml);
    return *came;
}

std::size_t XmppStream::left() const noexcept { return impl_->buffer.size(); }

void XmppStream::write_prologue(std::string& out) {
    if (!impl_->dialect) return;
    const auto begin = prologue(*impl_->dialect);
    out += begin;
    impl_->out.bytes += begin.size();
}

void XmppStream::write_header(std::string& out, const Header& header) {
    const auto xml = xml_header(header);
    impl_->out.xml += xml.size();
    if (!impl_->dialect) {
        impl_->out.bytes += xml.size();
        out += xml;
        return;
    }
    auto attributes = attributes_of(header);
    const auto* end = std::ranges::remove_if(attributes, [](const auto& a) { return a.value.empty(); }).begin();
    impl_->in_a_frame(out,
                      [&] { return impl_->encoder->encode_start({attributes.data(), end}, out, &impl_->slots_out); });
}

bool XmppStream::write(std::string& out, std::string_view element) {
    impl_->out.xml += element.size();
    if (!impl_->dialect) {
        impl_->out.bytes += element.size();
        out += element;
        return true;
    }
    if (impl_->reader.read(element, {}, largest_frame, impl_->scratch)) return false;
    return impl_->in_a_frame(out, [&] { return impl_->encoder->encode(impl_->scratch, out, &impl_->slots_out); });
}

void XmppStream::write_footer(std::string& out) {
    impl_->out.xml += footer.size();
    if (!impl_->dialect) {
        impl_->out.bytes += footer.size();
        out += footer;
        return;
    }
    impl_->in_a_frame(out, [&] {
        impl_->encoder->encode_end(out);
        return true;
    });
}

void XmppStream::write_keepalive(std::string& out) {
    ++impl_->out.xml;
    if (impl_->dialect) {
        impl_->in_a_frame(out, [] { return true; });
    } else {
        ++impl_->out.bytes;
        out += ' ';
    }
}

void XmppStream::restart() { impl_->begin(); }
void XmppStream::restart(std::optional<Dialect> dialect) {
    impl_->dialect = dialect;
    impl_->begin();
}
void XmppStream::set_bounds(const Bounds& bounds) {
    impl_->bounds = bounds;
    if (impl_->decoder) impl_->decoder->set_limits(Limits{.nodes = bounds.nodes, .text = bounds.element});
}

std::optional<Dialect> XmppStream::dialect() const noexcept { return impl_->dialect; }
const Traffic& XmppStream::in() const noexcept { return impl_->in; }
const Traffic& XmppStream::out() const noexcept { return impl_->out; }

}   // namespace tambo::funxmpp
