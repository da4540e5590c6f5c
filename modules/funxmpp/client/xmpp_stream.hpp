// One XMPP stream, written as XML or as FunXMPP. Bytes in, elements out, and the reverse.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <tambo/xml.hpp>

#include "dialect.hpp"

namespace tambo::funxmpp {

/// What was in the bytes.
struct Came {
    enum class Kind : std::uint8_t { nothing, header, element, footer, refused };
    Kind kind = Kind::nothing;
    std::string_view why = {};   ///< refused: a code of man/funxmpp.md or a stream error condition
};

/// What a header says; what is empty is not said.
struct Header {
    std::string_view id, from, to;
};

/// How much went by, as it was and as XML would have been.
struct Traffic {
    std::uint64_t bytes = 0, xml = 0;
};

/// Either end of a stream, without a socket. What comes is bounded before it takes memory. After Kind::refused it is of
/// no further use. Elements may come in any number of pieces, and many in one.
class XmppStream {
public:
    struct Bounds {
        std::size_t element = 0xf'ffff;   ///< bytes of one element; FunXMPP's frames hold no more
        std::uint32_t nodes = 100'000;    ///< elements and runs of text in one element: a large roster
    };

    /// `dialect`: nullopt is XML.
    explicit XmppStream(std::optional<Dialect> dialect);
    XmppStream(std::optional<Dialect> dialect, const Bounds& bounds);
    ~XmppStream();
    XmppStream(XmppStream&&) noexcept;
    XmppStream& operator=(XmppStream&&) noexcept;

    void feed(std::string_view bytes);
    /// The next thing that is whole. element: on the tape, and as XML in `xml`, which leans on nothing but the usual
    /// declarations of a stream. header: on the tape.
    Came next(Tape& tape, std::string& xml);
    /// What was fed and not yet read: after a footer or a step to TLS there must be none.
    std::size_t left() const noexcept;

    void write_prologue(std::string& out);   ///< nothing, where it is XML
    void write_header(std::string& out, const Header& header);
    /// False if it is no element, or larger than the format can say: the stream has to end.
    bool write(std::string& out, std::string_view element);
    void write_footer(std::string& out);
    void write_keepalive(std::string& out);

    /// The same connection starts a new stream (RFC 6120 §6.4.6): nothing is remembered of the old one.
    void restart();
    void restart(std::optional<Dialect> dialect);
    void set_bounds(const Bounds& bounds);

    std::optional<Dialect> dialect() const noexcept;
    const Traffic& in() const noexcept;
    const Traffic& out() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The same as a header would be in XML.
std::string xml_header(const Header& header);

}   // namespace tambo::funxmpp
