// A tape to FunXMPP bytes.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <tambo/xml.hpp>

#include "appending.hpp"
#include "dialect.hpp"
#include "slots.hpp"
#include "tables.hpp"
#include "wire.hpp"

namespace tambo::funxmpp {

/// A name that does not stand on a tape. Declarations are called as they are written: "xmlns:p".
struct Name {
    constexpr Name() = default;
    template <std::convertible_to<std::string_view> Text>
    constexpr Name(const Text& said, std::uint32_t known = Tables::none) noexcept   // NOLINT: a name is a text
        : text(said), token(known) {}

    std::string_view text;
    std::uint32_t token = Tables::none;   ///< if it was looked for (Encoder::known)
};
struct Attribute {
    Name name;
    std::string_view value;
};

enum class Packing : std::uint8_t {
    plain,    ///< tokens, JID pairs, literals
    packed,   ///< numbers, too; what there is to pack depends on the dialect
};

/// Writes the element at the front of a tape as a payload, in the shortest form that the dialect has, so that the same
/// tape always gives the same bytes (with the same slots). Takes tapes that a Decoder wrote, raw or not, and those that
/// an XML parser wrote.
///
/// Never recurses. Allocates for `out` alone, and for slots as they are defined.
class Encoder {
public:
    explicit Encoder(Dialect dialect, Packing packing = Packing::packed) noexcept
        : dialect_(dialect),
          tables_(tables(dialect)),
          packs_(packing == Packing::packed || dialect != Dialect::classic) {}

    /// The same name, which need not be looked for when it is written.
    Name known(std::string_view name) const noexcept { return {name, tables_.find(name)}; }

    /// Appends to `out`. False if the element is more than the format can say: 65535 children or attributes, literals
    /// of 16 MiB. Then, or if the payload is not sent, slots may have been defined that the other end will never hear
    /// of: the stream has to end. `slots`: of this direction of the stream, needed by the page dialect alone.
    bool encode(const Tape& tape, std::string& out, Slots* slots = nullptr);

    /// The same with another start tag: `tag` and `attributes` are written instead of those of the tape's first node,
    /// of which only the content counts. A tape without nodes is no content.
    bool encode(Name tag, std::span<const Attribute> attributes, const Tape& content, std::string& out,
                Slots* slots = nullptr);

    /// The same with content that is written already: not empty, and in need of no slots, as Decoder::content() has it.
    bool encode(Name tag, std::span<const Attribute> attributes, std::string_view encoded_content, std::string& out,
                Slots* slots = nullptr);

    /// The start of a stream: the attributes of the tape's first node.
    bool encode_start(const Tape& tape, std::string& out, Slots* slots = nullptr);
    bool encode_start(std::span<const Attribute> attributes, std::string& out, Slots* slots = nullptr);
    void encode_end(std::string& out);

private:
    enum class Place : std::uint8_t { address, value };   // an address of the stanza itself: it deserves a slot

    void begin(Appending& out, Slots* slots);
    void start(Name tag, std::span<const Attribute> attributes, bool has_content);
    std::uint32_t node(const Tape& tape, std::uint32_t index);
    void attribute(const Tape& tape, const Tape::Node& node, bool is_of_stanza);
    void attribute(const Attribute& said, bool is_of_stanza);
    void declared_name(std::string_view prefix);
    void text_node(std::string_view text);
    void content(const Tape::Node& node, std::string_view text);

    void list(std::size_t size);
    void name(std::string_view said);
    void put(const Name& said);
    void value(std::string_view said, Place place);
    void part(std::string_view said, Place place);
    void literal(std::string_view bytes);
    void literal_header(std::size_t length);
    void byte(std::size_t value) { out_->put(static_cast<char>(value)); }
    void number(std::size_t value, unsigned bytes);

    bool token(std::string_view said);
    void put_token(std::uint32_t index);
    bool jid(std::string_view said, Place place);
    bool device_jid(std::string_view said);
    bool page_jid(std::string_view said, Place place);
    bool slot(std::string_view said);
    void define(std::string_view said);
    bool packed(std::string_view said);
    bool nibbles(std::string_view said, std::uint8_t kind, const wire::Digits& digits);
    bool uuid(std::string_view said);
    bool base64(std::string_view said);

    const Dialect dialect_;
    const Tables& tables_;
    const bool packs_;

    Appending* out_ = nullptr;
    Slots* slots_ = nullptr;
    bool fits_ = true;
};

}   // namespace tambo::funxmpp
