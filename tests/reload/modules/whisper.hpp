// A wire format for tests: '~', then XML elements, each in a line of its own. What is sent is numbered, so that a
// client sees whether the codec remembers its stream. Each version keeps the number in another way.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <tambo/tambo.hpp>

namespace whisper {

using namespace tambo;

/// What differs from version to version.
struct Layout {
    std::uint32_t version;
    std::uint32_t oldest;   ///< that it reads
    std::string (*write)(unsigned number);
    unsigned (*read)(std::string_view bytes);
    unsigned (*read_older)(std::string_view bytes);
    bool throws = false;   ///< when it writes a message
};

class Whisper final : public Codec {
public:
    explicit Whisper(const Layout& layout) : layout_(layout) {}

    std::string_view name() const noexcept override { return "whisper"; }
    std::uint32_t version() const noexcept override { return layout_.version; }
    bool reads(std::uint32_t older) const noexcept override {
        return older >= layout_.oldest && older <= layout_.version;
    }
    bool upgrade(StreamMemory& memory) override {
        memory.out = layout_.write(layout_.read_older(memory.out));
        memory.version = layout_.version;
        return true;
    }
    Opening opening(std::string_view bytes) const noexcept override {
        if (!bytes.starts_with('~')) return {};
        return {.verdict = Opening::Verdict::mine, .used = 1};
    }
    Frame find(std::string_view bytes, std::size_t, Stream&, const FrameLimits& limits) override {
        const auto end = bytes.find('\n');
        if (end != bytes.npos) return {.found = Found::frame, .used = end + 1};
        if (bytes.size() > limits.bytes) return {.found = Found::error, .condition = StreamCondition::policy_violation};
        return {};
    }
    Decoded decode(std::string_view frame, const FrameLimits& limits, Stream&, StreamHeader& header,
                   Stanza& stanza) override {
        constexpr std::string_view open = "open ";
        frame.remove_suffix(1);
        if (frame.starts_with('<')) return reader_.read(frame, limits.bytes, stanza.tape());
        if (!frame.starts_with(open)) return {.kind = Kind::footer};
        header.to = frame.substr(open.size());
        header.version = "1.0";
        return {.kind = Kind::header};
    }
    void write_header(std::string& out, const StreamHeader&, Stream& stream) override { say(out, stream, "open"); }
    void write_footer(std::string& out) override { out += "bye\n"; }
    bool write(std::string& out, const Stanza& stanza, Stream& stream) override {
        if (layout_.throws && stanza.is_message()) throw std::runtime_error{"cannot write messages"};
        say(out, stream, stanza.str());
        return true;
    }
    bool write_element(std::string& out, std::string_view xml, Stream& stream) override {
        say(out, stream, xml);
        return true;
    }

private:
    void say(std::string& out, Stream& stream, std::string_view words) {
        auto& memory = stream.make_memory();
        const auto number = memory.out.empty() ? 0 : layout_.read(memory.out);
        out.append(std::to_string(number)).append(" ").append(words).append("\n");
        memory.out = layout_.write(number + 1);
        memory.version = layout_.version;
    }
    const Layout layout_;
    XmlReader reader_;
};

inline std::string as_text(unsigned number) { return std::to_string(number); }
inline unsigned from_text(std::string_view bytes) { return static_cast<unsigned>(std::stoul(std::string{bytes})); }
inline std::string as_marks(unsigned number) { return std::string(number, 'I'); }
inline unsigned from_marks(std::string_view bytes) { return static_cast<unsigned>(bytes.size()); }

}   // namespace whisper
