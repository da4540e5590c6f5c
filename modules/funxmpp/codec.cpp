#include "codec.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "decoder.hpp"
#include "encoder.hpp"
#include "framing.hpp"
#include "slots.hpp"
#include "xml_out.hpp"

namespace tambo::funxmpp {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t largest_frame = 0xf'ffff;   // what twenty bits can say
constexpr std::string_view version_of_streams = "1.0";

StreamCondition condition_of(Fault fault) noexcept {
    const auto name = stream_error(fault);
    for (const auto each : {StreamCondition::policy_violation, StreamCondition::unsupported_encoding,
                            StreamCondition::unsupported_version, StreamCondition::bad_namespace_prefix})
        if (name == tambo::to_string(each)) return each;
    return StreamCondition::not_well_formed;
}

Codec::Decoded refused(Fault fault) {
    return {.kind = Codec::Kind::error, .condition = condition_of(fault), .text = to_string(fault)};
}

/// A direction's slots, where the kernel keeps them.
class Borrowed {
public:
    Borrowed(Dialect dialect, Codec::Stream& stream, std::string StreamMemory::* direction) {
        if (dialect != Dialect::page) return;
        auto& memory = stream.make_memory();
        memory.version = Slots::layout_version;
        slots_.emplace(memory.*direction);
    }
    Slots* get() noexcept { return slots_ ? &*slots_ : nullptr; }

private:
    std::optional<Slots> slots_;
};

/// The content of the stanza that came last, as it was written. Most stanzas leave the server with the content that
/// they came with, some of them several times.
class Carried {
public:
    /// `inner`: the same content as XML. Nobody is sent more than XML would have taken.
    void set(std::string_view encoded, std::string_view inner) {
        constexpr std::size_t most = 16384;
        const bool is_worth_it = !encoded.empty() && encoded.size() <= inner.size() && inner.size() <= most;
        inner_ = is_worth_it ? inner : std::string_view{};
        encoded_ = is_worth_it ? encoded : std::string_view{};
    }
    /// What says the same as this XML; empty if it is not known.
    std::string_view find(std::string_view inner) const noexcept {
        return inner == inner_ ? std::string_view{encoded_} : std::string_view{};
    }

private:
    std::string inner_, encoded_;
};

class FunXmppCodec final : public Codec {
public:
    FunXmppCodec(Dialect dialect, const Policy& policy)
        : dialect_(dialect), policy_(policy), decoder_(dialect), encoder_(dialect) {}

    std::string_view name() const noexcept override { return codec_name(dialect_); }
    std::uint32_t version() const noexcept override { return Slots::layout_version; }

    Opening opening(std::string_view bytes) const noexcept override {
        using Verdict = Opening::Verdict;
        const auto own = prologue(dialect_);
        constexpr std::size_t brand = 2;   // "WA": whatever follows, no other wire begins so
        const bool begins_so = own.starts_with(bytes.substr(0, own.size()));
        if (bytes.size() < own.size()) {
            const bool has_brand = bytes.substr(0, brand) == own.substr(0, std::min(brand, bytes.size()));
            return {.verdict = has_brand ? Verdict::undecided : Verdict::foreign};
        }
        if (begins_so && policy_.direct) return {.verdict = Verdict::mine, .used = own.size()};
        if (begins_so)
            return {.verdict = Verdict::refused,
                    .condition = StreamCondition::policy_violation,
                    .text = "this begins as XML here; FunXMPP is a stream feature"};
        if (!speaks_for_all() || !bytes.starts_with(own.substr(0, brand)) || is_others(bytes)) return {};
        return {.verdict = Verdict::refused,
                .condition = StreamCondition::unsupported_version,
                .text = to_string(Fault::bad_prologue)};
    }

    Frame find(std::string_view bytes, std::size_t, Stream&, const FrameLimits& limits) override {
        const auto found = find_frame(bytes, dialect_, std::min(limits.bytes, largest_frame));
        using State = funxmpp::Found::State;
        if (found.state == State::need_more) return {.found = Found::need_more};
        if (found.state == State::whole) return {.found = Found::frame, .used = found.used};
        return {.found = Found::error, .condition = condition_of(found.fault), .text = to_string(found.fault)};
    }

    Decoded decode(std::string_view frame, const FrameLimits& limits, Stream& stream, StreamHeader& header,
                   Stanza& stanza) override {
        const auto payload = find_frame(frame, dialect_, frame.size()).payload;
        if (payload.empty()) return {.kind = Kind::nothing};   // keeps the connection alive
        decoder_.set_limits(
            {.depth = limits.depth, .nodes = policy_.nodes, .attributes = limits.attributes, .text = limits.bytes});
        auto& tape = stanza.tape();
        Borrowed slots{dialect_, stream, &StreamMemory::in};
        const auto decoded = decoder_.decode(payload, tape, slots.get());
        switch (decoded.kind) {
            case funxmpp::Decoded::Kind::error:
                return refused(decoded.fault);
            case funxmpp::Decoded::Kind::end:
                return {.kind = Kind::footer};
            case funxmpp::Decoded::Kind::start:
                return read_header(tape, stream, header);
            case funxmpp::Decoded::Kind::node:
                break;
        }
        if (!write_inner(tape, limits.bytes)) return refused(Fault::text_too_large);
        if (XmlReader::is_self_contained(tape)) {
            if (dialect_ == Dialect::page) carried_.set(decoder_.content(), tape.inner);
            return {.kind = Kind::stanza};
        }
        std::string whole;
        write_xml(tape, whole);
        return reader_.read(whole, limits.bytes, tape);
    }

    void write_header(std::string& out, const StreamHeader& header, Stream& stream) override {
        std::array<Attribute, 5> attributes{{{"id", header.id},
                                             {"from", header.from},
                                             {"to", header.to},
                                             {"version", header.version},
                                             {"xml:lang", header.lang}}};
        const auto* end =
            std::remove_if(attributes.begin(), attributes.end(), [](const auto& a) { return a.value.empty(); });
        Borrowed slots{dialect_, stream, &StreamMemory::out};
        const auto opened = open_frame(out);
        encoder_.encode_start({attributes.begin(), end}, out, slots.get());
        close_frame(out, opened, dialect_, largest_frame);
    }
    void write_footer(std::string& out) override {
        const auto opened = open_frame(out);
        encoder_.encode_end(out);
        close_frame(out, opened, dialect_, largest_frame);
    }

    bool write(std::string& out, const Stanza& stanza, Stream& stream) override {
        Usual usual;
        const auto attributes = collect(stanza, usual);
        const auto tag = tag_of(stanza);
        if (const auto encoded = carried_.find(stanza.inner()); !encoded.empty())
            return in_a_frame(out, stream,
                              [&](Slots* slots) { return encoder_.encode(tag, attributes, encoded, out, slots); });
        const auto& content = stanza.inner().empty() ? nothing_ : tape_of(stanza);
        return in_a_frame(out, stream,
                          [&](Slots* slots) { return encoder_.encode(tag, attributes, content, out, slots); });
    }
    bool write_element(std::string& out, std::string_view xml, Stream& stream) override {
        if (reader_.read(xml, xml.size(), element_).kind != Kind::stanza) return false;
        return in_a_frame(out, stream, [&](Slots* slots) { return encoder_.encode(element_, out, slots); });
    }

private:
    // Whose word it is that a prologue is nobody's: the first dialect that there is.
    bool speaks_for_all() const noexcept { return dialect_ == Dialect::classic || !policy_.classic; }
    bool is_others(std::string_view bytes) const noexcept {
        return dialect_ == Dialect::classic && policy_.page && bytes.starts_with(prologue(Dialect::page));
    }

    template <class Encode>
    bool in_a_frame(std::string& out, Stream& stream, Encode&& encode) {
        Borrowed slots{dialect_, stream, &StreamMemory::out};
        const auto opened = open_frame(out);
        return encode(slots.get()) && close_frame(out, opened, dialect_, largest_frame);
    }

    static const Tape& tape_of(const Stanza& stanza) {
        [[maybe_unused]] const auto read_anew_if_edited = stanza.xml();
        return stanza.tape();
    }

    Name tag_of(const Stanza& stanza) const noexcept {
        const auto& tape = stanza.tape();
        if (stanza.kind() != Stanza::Kind::other) return tags_[static_cast<std::size_t>(stanza.kind())];
        return tape.nodes.empty() ? stanza.name() : tape.at(tape.nodes.front().name);
    }

    using Usual = std::array<Attribute, 5>;

    /// The attributes of a stanza, which it keeps apart from its tape.
    std::span<const Attribute> collect(const Stanza& stanza, Usual& usual) {
        std::size_t count = 0;
        const auto add = [&](const Name& name, std::string_view value) {
            if (!value.empty()) usual[count++] = {name, value};
        };
        add(from_, stanza.from().text());
        add(to_, stanza.to().text());
        add(id_, stanza.id());
        add(type_, stanza.type());
        add(lang_, stanza.lang());
        const auto attributes = std::span{usual}.first(count);
        if (stanza.extra().empty()) return attributes;
        attributes_.assign(attributes.begin(), attributes.end());
        collect_extra(stanza.extra());
        return attributes_;
    }
    // Rare, and text; so a parser reads it.
    void collect_extra(const std::string& extra) {
        const auto xml = "<extra" + extra + "/>";
        if (reader_.read(xml, xml.size(), extra_).kind != Kind::stanza) return;
        names_.clear();
        names_.reserve(extra_.nodes.size());   // so that they stay where they are
        for (std::size_t i = 1; i < extra_.nodes.size(); ++i) {
            const auto& node = extra_.nodes[i];
            const auto name = extra_.at(node.name);
            if (node.kind == Tape::Kind::attribute)
                attributes_.push_back({name, extra_.at(node.value)});
            else
                attributes_.push_back(
                    {std::string_view{names_.emplace_back(name.empty() ? "xmlns" : "xmlns:" + std::string{name})},
                     extra_.at(node.value)});
        }
    }

    static Codec::Decoded read_header(const Tape& tape, Stream& stream, StreamHeader& header) {
        for (std::size_t i = 1; i < tape.nodes.size(); ++i) {
            const auto& node = tape.nodes[i];
            if (node.kind == Tape::Kind::declaration && node.name.length == 0 && tape.at(node.value) != ns::client)
                return {.kind = Kind::error, .condition = StreamCondition::invalid_namespace};
        }
        const Element root{tape, 0};
        header = {
            .to = std::string{root.attribute("to")},
            .from = std::string{root.attribute("from")},
            .id = {},
            .version = std::string{root.has_attribute("version") ? root.attribute("version") : version_of_streams},
            .lang = std::string{root.lang()}};
        if (!header.lang.empty()) stream.make_context().lang = header.lang;
        return {.kind = Kind::header};
    }

    const Dialect dialect_;
    const Policy policy_;
    Decoder decoder_;
    Encoder encoder_;
    const std::array<Name, 3> tags_{encoder_.known("message"), encoder_.known("presence"), encoder_.known("iq")};
    const Name from_ = encoder_.known("from"), to_ = encoder_.known("to"), id_ = encoder_.known("id"),
               type_ = encoder_.known("type"), lang_ = encoder_.known("xml:lang");
    XmlReader reader_;
    const Tape nothing_;
    Tape element_, extra_;   // reused
    Carried carried_;
    std::vector<Attribute> attributes_;
    std::vector<std::string> names_;
};

}   // namespace

std::string_view codec_name(Dialect dialect) noexcept {
    return dialect == Dialect::page ? "funxmpp-page"sv : "funxmpp"sv;
}

std::unique_ptr<Codec> make_codec(Dialect dialect, const Policy& policy) {
    return std::make_unique<FunXmppCodec>(dialect, policy);
}

}   // namespace tambo::funxmpp
