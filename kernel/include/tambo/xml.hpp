// XML as tambo holds it: a flat tape beside the bytes, a view to read it, a writer to make more of it.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/export.hpp>
#include <tambo/result.hpp>

namespace tambo {

namespace ns {
// Namespaces of RFC 6120 itself; everything else belongs to the module that means it.
inline constexpr std::string_view client = "jabber:client";
inline constexpr std::string_view streams = "http://etherx.jabber.org/streams";
inline constexpr std::string_view stanza_errors = "urn:ietf:params:xml:ns:xmpp-stanzas";
inline constexpr std::string_view stream_errors = "urn:ietf:params:xml:ns:xmpp-streams";
inline constexpr std::string_view xml = "http://www.w3.org/XML/1998/namespace";
inline constexpr std::string_view xmlns = "http://www.w3.org/2000/xmlns/";
}   // namespace ns

/// One element in flat form. Node 0 is the element itself; its attributes follow it, then its children, depth first.
///
/// The syntax survives (prefixes and namespace declarations are nodes of their own), the meaning is resolved (`space`).
/// Codecs write tapes and read them; everybody else uses Element. A tape reuses its memory when it is written again.
struct Tape {
    struct Span {
        std::uint32_t offset = 0, length = 0;
    };
    enum class Kind : std::uint8_t { element, attribute, declaration, text };
    struct Node {
        Kind kind = Kind::element;
        std::uint16_t prefix = 0;           ///< bytes of `name` that are prefix and colon
        Span name;                          ///< as written: "body", "xml:lang"; declarations: the prefix, may be empty
        Span space;                         ///< resolved namespace; empty for attributes without prefix
        Span value;                         ///< attribute and text: decoded characters; declaration: the URI
        std::uint32_t next = 0;             ///< index behind this node and all that it contains
        std::uint32_t begin = 0, end = 0;   ///< element below node 0: its bytes in `inner`
    };

    std::vector<Node> nodes;
    std::string text;    ///< what the spans point into
    std::string inner;   ///< XML between node 0's start tag and its end tag, as it came or as it was written

    void clear() noexcept {
        nodes.clear();
        text.clear();
        inner.clear();
    }
    std::string_view at(Span s) const noexcept { return std::string_view{text}.substr(s.offset, s.length); }
};

/// A look at one element of a tape. Two words, passed by value, valid as long as the tape is unchanged.
/// An absent element is falsy and answers every question with "nothing", so look-ups can be chained.
class TAMBO_API Element {
public:
    Element() noexcept = default;
    Element(const Tape& tape, std::uint32_t index) noexcept : tape_(&tape), index_(index) {}
    explicit operator bool() const noexcept { return tape_ != nullptr; }

    std::string_view name() const noexcept;    ///< local name
    std::string_view space() const noexcept;   ///< namespace
    bool is(std::string_view name, std::string_view space) const noexcept;

    /// Value of an attribute without prefix; empty if absent (see has_attribute).
    std::string_view attribute(std::string_view name) const noexcept;
    bool has_attribute(std::string_view name) const noexcept;
    std::string_view lang() const noexcept;   ///< xml:lang of this element itself

    /// The first run of text, or all of it where no child interrupts it.
    std::string_view text() const noexcept;

    Element child(std::string_view name) const noexcept;   ///< in the parent's own namespace
    Element child(std::string_view name, std::string_view space) const noexcept;
    Element child_in(std::string_view space) const noexcept;   ///< first in that namespace
    Element first() const noexcept;                            ///< first child element
    Element next() const noexcept;                             ///< next sibling element

    /// This element's XML as it was written. A child of a stanza is usable wherever jabber:client is the default
    /// namespace; deeper ones may lean on their parents' declarations (see standalone). Not for node 0 of a tape.
    std::string_view xml() const noexcept;
    /// The same, with the declarations of its parents written into its start tag: usable wherever jabber:client is the
    /// default namespace, at any depth.
    std::string standalone() const;
    const Tape* tape() const noexcept { return tape_; }
    std::uint32_t index() const noexcept { return index_; }

    class Iterator;
    struct Children;
    Children children() const noexcept;   ///< `for (Element item : query.children())`

private:
    const Tape* tape_ = nullptr;
    std::uint32_t index_ = 0;
    std::uint32_t parent_end_ = 0;   // where next() must stop
    friend struct ElementWalk;
};

class Element::Iterator {
public:
    using value_type = Element;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(Element e) noexcept : e_(e) {}
    Element operator*() const noexcept { return e_; }
    Iterator& operator++() noexcept {
        e_ = e_.next();
        return *this;
    }
    void operator++(int) noexcept { ++*this; }
    friend bool operator==(const Iterator& i, std::default_sentinel_t) noexcept { return !i.e_; }

private:
    Element e_;
};

struct Element::Children {
    Element first;
    Iterator begin() const noexcept { return Iterator{first}; }
    std::default_sentinel_t end() const noexcept { return {}; }
};

inline Element::Children Element::children() const noexcept { return {first()}; }

/// Escapes for both text and attribute values (', ", <, >, &).
TAMBO_API void escape_to(std::string& out, std::string_view text);
TAMBO_API std::string escape(std::string_view text);

/// Parses one element, or several beside each other, given as text (configuration, stored stanzas, tests). Slow: it
/// makes a parser. The fragment is read as content of jabber:client with the `stream` prefix declared.
/// Condition::bad_request if it is not well-formed or uses what RFC 6120 §11.1 forbids. Several elements are reached
/// from node 0 by Element::next(); then `inner` is the whole fragment.
TAMBO_API Result<Tape> parse_xml(std::string_view element);

/// Writes XML into a string. Names must be literals; values are escaped. Elements left open are closed by str()/take().
class TAMBO_API Writer {
public:
    Writer() = default;
    explicit Writer(std::string start) : out_(std::move(start)) {}

    /// Opens a child of the innermost open element. An empty `space` means: the same namespace as the parent.
    Writer& element(std::string_view name, std::string_view space = {});
    Writer& attribute(std::string_view name, std::string_view value);
    template <std::integral N>
        requires(!std::same_as<N, bool>)
    Writer& attribute(std::string_view name, N value) {
        char digits[24];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        return attribute(name, std::string_view{digits, end});
    }
    /// Writes the attribute only if there is something to say.
    Writer& attribute_if(std::string_view name, std::string_view value) {
        return value.empty() ? *this : attribute(name, value);
    }
    Writer& text(std::string_view characters);
    Writer& raw(std::string_view well_formed_xml);
    Writer& end();   ///< closes the innermost open element
    Writer& end_all();

    const std::string& str() {
        end_all();
        return out_;
    }
    std::string take() {
        end_all();
        return std::move(out_);
    }
    bool empty() const noexcept { return out_.empty(); }

private:
    void close_tag();
    std::string out_;
    std::vector<std::string> open_;
    bool in_tag_ = false;
};

}   // namespace tambo
