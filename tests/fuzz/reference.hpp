// An XMPP stream as a plain expat parser sees it, to be compared with what the kernel's codec makes of the same bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <expat.h>

#include <tambo/codec.hpp>

#include "stream/xml_codec.hpp"

namespace tambo::reference {

/// What one side made of a stream.
struct Outcome {
    std::vector<std::string> stanzas;   ///< content of each whole one, in a form that both sides can write
    bool has_ended = false;             ///< the footer came
    bool is_refused = false;
    bool is_unfinished = false;    ///< in the middle of something
    StreamCondition condition{};   ///< only the codec's side knows it
    std::string_view text = {};
};

inline std::string start_event(std::string_view space, std::string_view name) {
    return "<{" + std::string{space} + "}" + std::string{name};
}
inline std::string attribute_event(std::string_view space, std::string_view name, std::string_view value) {
    return "@{" + std::string{space} + "}" + std::string{name} + "=" + std::string{value} + "\n";
}

/// One expat parser for one stream, with RFC 6120's restrictions in its handlers.
class PlainStream {
public:
    explicit PlainStream(const FrameLimits& limits) : limits_(limits), parser_(XML_ParserCreateNS("UTF-8", '\x01')) {
        XML_SetReturnNSTriplet(parser_, 1);
        XML_SetReparseDeferralEnabled(parser_, XML_FALSE);   // or it would hold bytes back that came in small pieces
        XML_SetUserData(parser_, this);
        XML_SetElementHandler(
            parser_, [](void* u, const char* n, const char** a) { self(u).start(n, a); },
            [](void* u, const char*) { self(u).end(); });
        XML_SetCharacterDataHandler(
            parser_, [](void* u, const char* s, int n) { self(u).characters({s, static_cast<std::size_t>(n)}); });
        XML_SetStartNamespaceDeclHandler(parser_, [](void* u, const char*, const char*) { ++self(u).declarations_; });
        XML_SetCommentHandler(parser_, [](void* u, const char*) { self(u).refuse(); });
        XML_SetProcessingInstructionHandler(parser_, [](void* u, const char*, const char*) { self(u).refuse(); });
        XML_SetStartCdataSectionHandler(parser_, [](void* u) {
            if (self(u).depth_ <= 1) self(u).refuse();
        });
    }
    ~PlainStream() { XML_ParserFree(parser_); }
    PlainStream(const PlainStream&) = delete;
    PlainStream& operator=(const PlainStream&) = delete;

    void hear(std::string_view bytes) {
        heard_ += bytes;
        if (outcome_.is_refused) return;
        if (XML_Parse(parser_, bytes.data(), static_cast<int>(bytes.size()), 0) != XML_STATUS_OK)
            outcome_.is_refused = true;
    }
    Outcome outcome() {
        const auto at = static_cast<std::size_t>(XML_GetCurrentByteIndex(parser_));
        outcome_.is_unfinished = depth_ > 1 || at < heard_.size();
        return outcome_;
    }

private:
    static PlainStream& self(void* user) { return *static_cast<PlainStream*>(user); }

    void refuse() {
        outcome_.is_refused = true;
        XML_StopParser(parser_, XML_FALSE);
    }
    std::size_t position() const { return static_cast<std::size_t>(XML_GetCurrentByteIndex(parser_)); }

    struct Name {
        std::string_view space, local, prefix;
    };
    static Name split(std::string_view triplet) {
        const auto first = triplet.find('\x01');
        if (first == std::string_view::npos) return {{}, triplet, {}};
        const auto second = triplet.find('\x01', first + 1);
        if (second == std::string_view::npos) return {triplet.substr(0, first), triplet.substr(first + 1), {}};
        return {triplet.substr(0, first), triplet.substr(first + 1, second - first - 1), triplet.substr(second + 1)};
    }

    void start(const char* triplet, const char** attributes) {
        if (outcome_.is_refused) return;
        const auto name = split(triplet);
        const auto given = count(attributes) + std::exchange(declarations_, 0U);
        if (depth_ == 1) {
            begin_ = position();
            if (name.prefix == "stream" && name.local == "stream") return refuse();
        }
        if (++depth_ > 1 && (depth_ - 1 > limits_.depth || given > limits_.attributes)) return refuse();
        if (depth_ == 1) return;   // the header
        event_ += start_event(name.space, name.local);
        for (; *attributes != nullptr; attributes += 2) {
            const auto attribute = split(attributes[0]);
            event_ += attribute_event(attribute.space, attribute.local, attributes[1]);
        }
    }
    static unsigned count(const char** attributes) {
        unsigned n = 0;
        for (; *attributes != nullptr; attributes += 2) ++n;
        return n;
    }

    void end() {
        if (outcome_.is_refused) return;
        --depth_;
        if (depth_ == 0) {
            outcome_.has_ended = true;
            return;
        }
        event_ += ">\n";
        if (depth_ > 1) return;
        const auto bytes = position() + static_cast<std::size_t>(XML_GetCurrentByteCount(parser_)) - begin_;
        if (bytes > limits_.bytes) return refuse();
        outcome_.stanzas.push_back(std::exchange(event_, {}));
    }

    void characters(std::string_view run) {
        if (outcome_.is_refused) return;
        if (depth_ > 1) {
            event_ += run;
            return;
        }
        const bool is_written_plainly = heard_[position()] != '&';
        if (!is_written_plainly || run.find_first_not_of(" \t\r\n") != std::string_view::npos) refuse();
    }

    FrameLimits limits_;
    XML_Parser parser_;
    Outcome outcome_;
    std::string heard_, event_;
    std::uint32_t depth_ = 0;
    unsigned declarations_ = 0;
    std::size_t begin_ = 0;
};

/// The same, written from a tape.
inline std::string events(const Tape& tape, std::uint32_t index = 0) {
    const auto& node = tape.nodes[index];
    const auto local = [&](const Tape::Node& n) { return tape.at(n.name).substr(n.prefix); };
    std::string out = start_event(tape.at(node.space), local(node));
    for (auto i = index + 1; i < node.next; i = tape.nodes[i].next) {
        const auto& inside = tape.nodes[i];
        switch (inside.kind) {
            case Tape::Kind::declaration:
                break;
            case Tape::Kind::attribute:
                out += attribute_event(tape.at(inside.space), local(inside), tape.at(inside.value));
                break;
            case Tape::Kind::text:
                out += tape.at(inside.value);
                break;
            case Tape::Kind::element:
                out += events(tape, i);
                break;
        }
    }
    return out + ">\n";
}

/// The kernel's codec on one stream, called as the kernel calls it.
class CodecStream {
public:
    explicit CodecStream(const FrameLimits& limits) : limits_(limits), codec_(make_xml_codec()) {}

    void hear(std::string_view bytes) {
        pending_ += bytes;
        while (!outcome_.is_refused && !pending_.empty()) {
            const auto frame = codec_->find(pending_, seen_, stream_, limits_);
            seen_ = frame.found == Codec::Found::need_more ? frame.looked : 0;
            if (frame.found == Codec::Found::error) refuse(frame.condition, frame.text);
            if (frame.found != Codec::Found::frame) break;
            take(std::string_view{pending_}.substr(0, frame.used));
            pending_.erase(0, frame.used);
        }
        outcome_.is_unfinished = !pending_.empty();
    }
    const Outcome& outcome() const { return outcome_; }
    /// Every stanza as it was read, for those who want to look closer.
    const std::vector<Stanza>& stanzas() const { return stanzas_; }

private:
    void refuse(StreamCondition condition, std::string_view text) {
        outcome_.is_refused = true;
        outcome_.condition = condition;
        outcome_.text = text;
    }
    void take(std::string_view frame) {
        Stanza stanza;
        const auto decoded = codec_->decode(frame, limits_, stream_, header_, stanza);
        if (decoded.kind == Codec::Kind::error) refuse(decoded.condition, decoded.text);
        if (decoded.kind == Codec::Kind::footer) outcome_.has_ended = true;
        if (decoded.kind != Codec::Kind::stanza) return;
        outcome_.stanzas.push_back(events(stanza.tape()));
        stanzas_.push_back(std::move(stanza));
    }

    FrameLimits limits_;
    std::unique_ptr<Codec> codec_;
    Codec::Stream stream_{};
    StreamHeader header_;
    std::string pending_;
    std::size_t seen_ = 0;
    Outcome outcome_;
    std::vector<Stanza> stanzas_;
};

/// Compares both sides; an empty string means that they agree, else it tells where they don't.
inline std::string disagreement(const Outcome& codec, const Outcome& plain) {
    // What inherited declarations would blow up beyond the limit is refused by the codec alone.
    const bool is_blown_up = codec.is_refused && codec.text == "namespace declarations are too long";
    const auto common = std::min(codec.stanzas.size(), plain.stanzas.size());
    for (std::size_t i = 0; i < common; ++i)
        if (codec.stanzas[i] != plain.stanzas[i]) return "codec: " + codec.stanzas[i] + "\nplain: " + plain.stanzas[i];
    if (is_blown_up) return {};
    if (codec.stanzas.size() != plain.stanzas.size())
        return "codec has " + std::to_string(codec.stanzas.size()) + " stanzas, plain has " +
               std::to_string(plain.stanzas.size());
    if (codec.has_ended != plain.has_ended) return "only one of them saw the end";
    // Either may be the first to notice, but the other must not be content.
    if (codec.is_refused && !plain.is_refused && !plain.is_unfinished)
        return "only the codec refuses: " + std::string{codec.text};
    if (plain.is_refused && !codec.is_refused && !codec.is_unfinished) return "only plain expat refuses";
    return {};
}

}   // namespace tambo::reference
