// FunXMPP bytes to a tape.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/xml.hpp>

#include "dialect.hpp"
#include "slots.hpp"
#include "tables.hpp"
#include "wire.hpp"

namespace tambo::funxmpp {

/// What was in a payload, or what is wrong with it.
struct Decoded {
    enum class Kind : std::uint8_t {
        node,    ///< a stanza or another element
        start,   ///< the start of a stream: its attributes stand on a node named stream:stream
        end,     ///< the end of a stream; the tape is empty
        error,
    };
    Kind kind = Kind::error;
    Fault fault = Fault::none;
    std::uint32_t offset = 0;   ///< where in the payload the fault was met; the payload itself if that is compressed
};

/// A text node of a raw tree has this `prefix` if its text travelled as token, packed value or JID, not as literal.
inline constexpr std::uint16_t string_form = 1;

/// Reads one whole payload after the other: the content of a frame, without the frame's header.
///
/// `decode` reads a payload as XMPP: namespaces are resolved with jabber:client as default and the prefix `stream`
/// bound as on every stream, `#text` nodes become text, everything is checked to be XML. What it writes is what an XML
/// parser would write for the same element, except for Tape::inner (see write_inner), which stays empty.
/// `decode_raw` reads a payload as the tree that it is: declarations are attributes like others, no prefix is resolved,
/// content may be any bytes.
///
/// Never recurses, compares lengths and counts with what is there before it takes memory, and takes none beyond the
/// tape's once the scratch memory is warm. After a fault the tape holds nothing of use, and slots may have been
/// defined: the stream has to end. Never throws but std::bad_alloc. One thread at a time.
class Decoder {
public:
    explicit Decoder(Dialect dialect, const Limits& limits = {}) noexcept;
    void set_limits(const Limits& limits) noexcept;   ///< for the payloads to come

    /// `slots`: of this direction of the stream; only the page dialect uses it.
    Decoded decode(std::string_view payload, Tape& tape, Slots* slots = nullptr);
    Decoded decode_raw(std::string_view payload, Tape& tape, Slots* slots = nullptr);

    /// The content of the node that was read last, as it is in the payload: it means the same in any other payload of
    /// the dialect. Empty if there is none, or if it takes or defines slots. Good as long as the payload.
    std::string_view content() const noexcept { return content_; }

private:
    struct Level {
        std::uint32_t element, left, bindings;
        bool is_text_last;
        Tape::Span space;   // the default namespace in it
    };
    struct Binding {
        Tape::Span prefix, space;
    };
    struct Text {
        Tape::Span span;
        const Token* token = nullptr;   // if it is one, it needs no checks
        bool is_literal = false;
    };
    enum class Part : std::uint8_t { whole, half, defined, defined_half };   // of a JID; of what a slot is to hold
    static bool may_be_jid(Part part) noexcept { return part == Part::whole || part == Part::defined; }

    Decoded run(std::string_view payload, Tape& tape, Slots* slots);
    bool unwrap();
    bool inflate(std::string_view deflated);
    bool tree();
    bool node();
    bool stream_control(std::uint32_t size);
    bool list_header(std::uint32_t& size);
    bool attributes(std::uint32_t count);
    bool attribute(std::uint32_t element, std::uint32_t nth);
    bool is_new(Tape::Span name, std::uint32_t nth, std::uint32_t where);
    bool value(Tape::Span& span);
    bool content(std::uint32_t element, Tape::Span space, std::uint32_t bindings);
    bool text_node(std::uint32_t size);
    bool text(bool grows);
    void close(std::uint32_t element, std::uint32_t bindings);

    bool resolve(std::uint32_t element, Tape::Span& space, std::uint32_t where);
    bool declare(const Tape::Node& declaration, Tape::Span& space, std::uint32_t where);
    bool space_of(std::string_view prefix, Tape::Span& space, std::uint32_t where);
    bool has_twins(std::uint32_t element) const;

    bool name(Text& text, Fault if_null) {
        return left() > 0 && *at_ == wire::null ? refuse(if_null, here()) : string(text, Part::whole);
    }
    bool check_name(const Text& text, std::uint32_t where, std::uint16_t& prefix);
    bool string(Text& text, Part part) {
        if (left() == 0 || !wire::is_token(static_cast<std::uint8_t>(*at_))) return no_short_token(text, part);
        const auto start = written_;
        const auto where = here();
        if (!token(text, byte(), where)) return false;
        text.span = {start, written_ - start};
        return written_ <= limits_.text || refuse(Fault::text_too_large, where);
    }
    bool token(Text& text, std::uint32_t index, std::uint32_t where) {
        text.token = tables_.token(index);
        if (text.token == nullptr) return refuse(Fault::unknown_token, where);
        append(*text.token);
        return true;
    }
    bool no_short_token(Text& text, Part part);
    bool short_literal(Text& text);
    bool other_string(Text& text, Part part);
    bool page_token(Text& text, std::uint8_t page, Part part, std::uint32_t where);
    bool form(std::uint8_t kind, Part part, std::uint32_t where);
    bool literal(std::uint32_t length_bytes);
    bool packed(std::uint32_t where, std::string_view alphabet);
    bool jid(std::uint32_t where);
    bool device_jid(std::uint32_t where);
    bool long_device_jid(std::uint32_t where, bool is_interop);
    bool resource(std::uint32_t where);
    bool half(std::uint32_t where);
    bool device_form(std::uint8_t kind, Part part, std::uint32_t where);
    bool page_form(std::uint8_t kind, Part part, std::uint32_t where);
    bool slot(std::uint32_t where);
    bool define(Part part, std::uint32_t where);
    bool uuid();
    bool base64(std::uint32_t length_bytes);

    bool refuse(Fault fault, std::uint32_t where) noexcept {
        verdict_.fault = fault;
        verdict_.offset = where;
        return false;
    }
    std::uint32_t left() const noexcept { return static_cast<std::uint32_t>(end_ - at_); }
    std::uint32_t here() const noexcept { return static_cast<std::uint32_t>(at_ - begin_) + shift_; }
    std::uint8_t byte() noexcept { return static_cast<std::uint8_t>(*at_++); }
    bool number(std::uint32_t& value, std::uint32_t bytes);
    bool take(std::string_view& bytes, std::uint32_t count);
    void append(std::string_view text) {
        make_room(text.size());
        std::memcpy(text_ + written_, text.data(), text.size());
        written_ += static_cast<std::uint32_t>(text.size());
    }
    void append(const Token& token) {
        make_room(token.length);
        const char* from = tables_.at(token).data();
        std::memcpy(text_ + written_, from, token_padding);   // of known size, so it is two instructions
        for (std::size_t i = token_padding; i < token.length; i += token_padding)
            std::memcpy(text_ + written_ + i, from + i, token_padding);
        written_ += token.length;
    }
    void make_room(std::size_t bytes) {
        if (written_ + bytes > room_) [[unlikely]]
            grow(bytes);
    }
    void grow(std::size_t bytes);
    void take_room(std::size_t bytes);
    void open_text();
    Tape::Span keep(std::string_view text);
    Tape::Node& add(Tape::Kind kind);
    std::uint32_t written() const noexcept { return written_; }
    std::string_view at(Tape::Span span) const noexcept { return {text_ + span.offset, span.length}; }

    const Dialect dialect_;
    const Tables& tables_;
    Limits limits_;

    // While reading:
    const char *begin_ = nullptr, *at_ = nullptr, *end_ = nullptr;
    std::uint32_t shift_ = 0;   // bytes of the payload before begin_
    Tape* tape_ = nullptr;
    char* text_ = nullptr;        // the tape's text: all of its memory while this reads, then what was written
    std::uint32_t written_ = 0;   // bytes of it
    std::size_t room_ = 0;        // bytes that fit into it, the padding aside
    Slots* slots_ = nullptr;
    bool is_raw_ = false;
    Decoded verdict_;
    bool uses_slots_ = false;   // the content of the payload's own node
    std::string_view content_;
    std::uint32_t depth_ = 0, nodes_ = 0;
    Tape::Span root_space_{}, stream_space_{}, xml_space_{};
    std::uint32_t declared_ = 0, prefixed_ = 0;   // declarations and prefixed attributes of this element
    std::array<Level, max_depth> levels_;
    std::array<Tape::Span, max_attributes> names_;   // of this element's attributes, as they were written
    std::vector<Binding> bindings_;
    std::string inflated_;
};

}   // namespace tambo::funxmpp
