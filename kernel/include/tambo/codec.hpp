// Codecs: how a stream looks on the wire. The kernel has one for XML; modules bring others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <tambo/result.hpp>
#include <tambo/stanza.hpp>

namespace tambo {

/// What bounds one frame; the kernel raises `bytes` after authentication.
struct FrameLimits {
    std::size_t bytes = std::size_t{10} * 1024;
    std::uint32_t depth = 64;
    std::uint32_t attributes = 64;   ///< of one element, namespace declarations included
};

/// RFC 6120 §4.7: the attributes of a stream header, either way.
struct StreamHeader {
    std::string to, from, id, version, lang;
};

/// What a stream's header declared beyond the usual, for every stanza in it. Empty for nearly all clients.
struct StreamContext {
    std::string declarations;   ///< ` xmlns:x='…'`, escaped; decode() makes stanzas that don't need them any more
    std::string lang;           ///< xml:lang of the header (RFC 6120 §4.7.4)
};

/// What a codec remembers of one stream from frame to frame, for each direction. Plain bytes, which the kernel keeps,
/// so that the next version of the codec's module can go on with them.
struct StreamMemory {
    std::string in, out;
    std::uint32_t version = 0;   ///< Codec::version() of the one that wrote them
};

/// One wire format, on one shard. Keeps nothing per stream: what it must remember between two frames of a stream is in
/// `Stream`, which the kernel holds. So a codec can be swapped between any two frames, and also while the bytes of half
/// a frame are here.
class TAMBO_API Codec {
public:
    /// For find(). All zero at the start of a stream; its layout has to stay the same from version to version.
    using State = std::array<std::uint8_t, 32>;

    /// One stream, as the kernel keeps it for its codec.
    class Stream {
    public:
        State state{};

        const StreamContext* context() const noexcept { return context_.get(); }   ///< null if it has none
        StreamContext& make_context() {
            if (!context_) context_ = std::make_unique<StreamContext>();
            return *context_;
        }

        const StreamMemory* memory() const noexcept { return memory_.get(); }   ///< null if nothing is remembered
        StreamMemory& make_memory() {
            if (!memory_) memory_ = std::make_unique<StreamMemory>();
            return *memory_;
        }

    private:
        std::unique_ptr<StreamContext> context_;
        std::unique_ptr<StreamMemory> memory_;
    };

    /// Whether a connection speaks this, from its first bytes.
    struct Opening {
        enum class Verdict : std::uint8_t {
            foreign,     ///< no
            undecided,   ///< it may, when more has come
            mine,        ///< yes
            refused,     ///< yes, but it can't go on: the stream ends with `condition`
        };
        Verdict verdict = Verdict::foreign;
        std::size_t used = 0;   ///< `mine`: bytes before the first frame, which find() is not shown
        StreamCondition condition = StreamCondition::unsupported_version;
        std::string_view text = {};
    };
    enum class Found : std::uint8_t { need_more, frame, error };
    struct Frame {
        Found found = Found::need_more;
        std::size_t used = 0;     ///< `frame`: its length, from the first byte given
        std::size_t looked = 0;   ///< `need_more`: bytes that need not be shown again to find the end
        StreamCondition condition = StreamCondition::bad_format;
        std::string_view text = {};
    };
    enum class Kind : std::uint8_t { stanza, header, footer, nothing, error };
    struct Decoded {
        Kind kind = Kind::nothing;
        StreamCondition condition = StreamCondition::bad_format;
        std::string_view text = {};
    };

    virtual ~Codec();
    virtual std::string_view name() const noexcept = 0;

    /// Raised whenever the layout of StreamMemory::in or ::out changes. A codec is only replaced by one that reads
    /// what it wrote; before such a codec sees a stream again, that stream is upgraded, once. False closes the stream.
    virtual std::uint32_t version() const noexcept { return 1; }
    virtual bool reads(std::uint32_t older) const noexcept { return older == version(); }
    virtual bool upgrade(StreamMemory&) { return false; }

    /// Asked with the first bytes of a connection, which don't look like XML. Codecs that say nothing here are entered
    /// by negotiation only (Handshake::switch_codec).
    virtual Opening opening(std::string_view) const noexcept { return {}; }

    /// Finds the end of the next frame in `bytes`, of which the first `seen` were looked at before.
    virtual Frame find(std::string_view bytes, std::size_t seen, Stream& stream, const FrameLimits& limits) = 0;
    /// Reads a whole frame: into `stanza` (tape only, self-contained as XmlReader has it; the kernel calls adopt()), or
    /// into `header` and the stream's context.
    virtual Decoded decode(std::string_view frame, const FrameLimits& limits, Stream& stream, StreamHeader& header,
                           Stanza& stanza) = 0;

    // Writers append to `out`. Where they return false, this can't be said in this format: the stream has to end.
    virtual void write_header(std::string& out, const StreamHeader& header, Stream& stream) = 0;
    virtual void write_footer(std::string& out) = 0;
    virtual bool write(std::string& out, const Stanza& stanza, Stream& stream) = 0;
    /// A stream-level element given as XML: features, errors, SASL, acknowledgements.
    virtual bool write_element(std::string& out, std::string_view xml, Stream& stream) = 0;
};

class Reader;

/// XML for codecs that don't speak it: what the kernel gives them as text, and what they have read but can't yet give
/// to the kernel. Once warm it reads without allocating. One thread at a time.
class TAMBO_API XmlReader {
public:
    XmlReader();
    ~XmlReader();
    XmlReader(const XmlReader&) = delete;
    XmlReader& operator=(const XmlReader&) = delete;

    /// Reads one element as content of a stream. Afterwards it is self-contained: a prefix that its own start tag
    /// declared is written into each child that uses it, so that every child can be put into any other stanza.
    /// `max_bytes` bounds what this adds. Kind::stanza or Kind::error.
    Codec::Decoded read(std::string_view element, std::size_t max_bytes, Tape& tape);

    /// False if children may use what only their parent's start tag declares: write it as XML, then read() it.
    static bool is_self_contained(const Tape& tape) noexcept;

private:
    std::unique_ptr<Reader> reader_;
};

}   // namespace tambo
