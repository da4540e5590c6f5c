#include "codec.hpp"

#include <algorithm>
#include <array>
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

/// A direction's slots, out of the kernel's bytes and back into them, whatever happens in between.
class Borrowed {
public:
    Borrowed(Dialect dialect, Codec::Stream& stream, std::string StreamMemory::* direction) {
        if (dialect != Dialect::page) return;
        memory_ = &stream.make_memory();
        memory_->version = Slots::layout_version;
        direction_ = direction;
        slots_ = Slots{std::move(memory_->*direction_)};
    }
    ~Borrowed() {
        if (memory_ != nullptr) memory_->*direction_ = std::move(slots_).release();
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    Slots* get() noexcept { return memory_ != nullptr ? &slots_ : nullptr; }

private:
    StreamMemory* memory_ = nullptr;
    std::string StreamMemory::* direction_ = nullptr;
    Slots slots_;
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
        if (XmlReader::is_self_contained(tape)) return {.kind = Kind::stanza};
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
        const auto& content = stanza.inner().empty() ? nothing_ : tape_of(stanza);
        collect(stanza);
        const bool is_foreign = stanza.kind() == Stanza::Kind::other && !stanza.tape().nodes.empty();
        const auto tag = is_foreign ? stanza.tape().at(stanza.tape().nodes.front().name) : stanza.name();
        return in_a_frame(out, stream,
                          [&](Slots* slots) { return encoder_.encode(tag, attributes_, content, out, slots); });
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

    /// The attributes of a stanza, which it keeps apart from its tape.
    void collect(const Stanza& stanza) {
        attributes_.clear();
        const auto add = [&](std::string_view name, std::string_view value) {
            if (!value.empty()) attributes_.push_back({name, value});
        };
        add("from", stanza.from().text());
        add("to", stanza.to().text());
        add("id", stanza.id());
        add("type", stanza.type());
        add("xml:lang", stanza.lang());
        if (!stanza.extra().empty()) collect_extra(stanza.extra());
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
                attributes_.push_back({names_.emplace_back(name.empty() ? "xmlns" : "xmlns:" + std::string{name}),
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
    XmlReader reader_;
    const Tape nothing_;
    Tape element_, extra_;   // reused
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
