// expat, writing tapes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/result.hpp>
#include <tambo/xml.hpp>

struct XML_ParserStruct;

namespace tambo {

/// Why a stream can't go on.
struct Fault {
    StreamCondition condition = StreamCondition::not_well_formed;
    std::string_view text = {};   ///< a literal
};

/// A namespace-aware expat parser that stands inside an open element and turns each piece of content into a Tape.
///
/// Refuses what RFC 6120 §11.1 forbids. Once warm it allocates for namespaces only. After a fault it is of no further
/// use. It keeps every name that it ever saw: who reads what strangers wrote has to watch memory() and make a new one
/// in time.
class TapeParser {
public:
    enum class Roots : std::uint8_t { one, several };

    /// `preamble` opens the elements around the content. If it is empty, what is read is a document of its own and may
    /// begin with an XML declaration; then the parser serves for one read().
    explicit TapeParser(std::string_view preamble);
    ~TapeParser();
    TapeParser(const TapeParser&) = delete;
    TapeParser& operator=(const TapeParser&) = delete;

    /// Reads whole elements. With Roots::one, node 0 is the element and `inner` what is in it. With Roots::several,
    /// white space may surround them; if there is more than one, they follow each other in the tape and `inner` is
    /// `xml`.
    std::optional<Fault> read(std::string_view xml, Tape& tape, Roots roots = Roots::one);

    /// Bytes that expat holds.
    std::size_t memory() const noexcept { return memory_; }

private:
    struct Handlers;
    struct Declaration {
        Tape::Span prefix, uri;
    };

    void start_element(const char* name, const char** attributes) noexcept;
    void end_element() noexcept;
    void characters(std::string_view run) noexcept;
    void start_namespace(const char* prefix, const char* uri) noexcept;
    void xml_declaration(const char* encoding) noexcept;
    void start_root() noexcept;
    void refuse(StreamCondition condition, std::string_view text) noexcept;
    std::optional<Fault> verdict(bool parsed, std::size_t length);

    Tape::Node& add(Tape::Kind kind);
    Tape::Span keep(std::string_view text);
    Tape::Span keep_space(std::string_view space);
    void name_node(Tape::Node& node, const char* triplet) noexcept;
    std::uint32_t position() const noexcept;
    std::uint32_t position_behind() const noexcept;

    std::size_t memory_ = 0;
    XML_ParserStruct* parser_;
    std::size_t fed_ = 0;   // bytes given to expat so far

    // While reading:
    Tape* tape_ = nullptr;
    Roots roots_ = Roots::one;
    std::uint32_t depth_ = 0;   // elements open on the tape
    std::uint32_t roots_seen_ = 0;
    std::size_t start_ = 0;   // where expat's count was when this read began
    std::uint32_t inner_begin_ = 0;
    std::uint32_t inner_end_ = 0;
    bool in_text_ = false;   // the last node is text that may still grow
    std::map<std::string, Tape::Span, std::less<>> spaces_;
    std::optional<Fault> fault_;
    std::vector<std::uint32_t> open_;
    std::vector<Declaration> declarations_;   // of the element that is about to start
};

}   // namespace tambo
