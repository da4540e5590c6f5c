// A connection and its codec: which one it is, what it says and what it may do wrong.
#include "net/connection_wire.hpp"

#include "module/instance.hpp"
#include "net/connection.hpp"
#include "shard/shard.hpp"
#include "stream/negotiation.hpp"
#include "stream/xml_size.hpp"

namespace tambo {

namespace {

/// Anything else can't begin XML, so the modules' codecs may look at it. (EF begins a byte order mark.)
bool may_begin_xml(char c) noexcept {
    return c == '<' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\xef';
}

constexpr std::size_t white_space = 1;   // what XML clients send to keep a connection alive

}   // namespace

// The first bytes of a connection. What nobody knows stays with XML, whose codec says what is wrong with it.
std::size_t Connection::recognize(std::string_view bytes) {
    is_fresh_ = false;
    seen_ = 0;
    if (bytes.empty() || may_begin_xml(bytes.front())) return 0;
    using Verdict = Codec::Opening::Verdict;
    for (auto& wire : shard_->wires) {
        if (wire.is_xml() || wire.codec == nullptr) continue;
        const Breadcrumb here{*wire.owner};
        const auto opening = wire.codec->opening(bytes);
        if (opening.verdict == Verdict::foreign) continue;
        if (opening.verdict == Verdict::undecided) {
            is_fresh_ = true;
            continue;
        }
        is_fresh_ = false;
        wire_ = &wire;
        shard_->wires.front().figures.bytes_in -= bytes.size();   // where they were counted before it was known
        wire.figures.bytes_in += bytes.size();
        if (opening.verdict == Verdict::mine) return enter(opening.used);
        close_stream(opening.condition, opening.text);
        return 0;
    }
    if (is_fresh_) seen_ = bytes.size();
    return 0;
}

// There is no STARTTLS behind such a beginning, so it has to be secure already, or to be allowed not to be.
std::size_t Connection::enter(std::size_t used) {
    if (!is_secure() && !entrance_->plaintext_auth) close_stream(StreamCondition::policy_violation, "not without TLS");
    return used;
}

Codec::Frame Connection::find_frame(std::string_view bytes) {
    const Codec::Frame faulty{.found = Codec::Found::error, .condition = StreamCondition::internal_server_error};
    return ask_codec(faulty, [&](Codec& codec) { return codec.find(bytes, seen_, stream_, limits()); });
}

Codec::Decoded Connection::decode(std::string_view frame, StreamHeader& header) {
    const Codec::Decoded faulty{.kind = Codec::Kind::error, .condition = StreamCondition::internal_server_error};
    auto& stanza = shard_->scratch;
    const auto decoded =
        ask_codec(faulty, [&](Codec& codec) { return codec.decode(frame, limits(), stream_, header, stanza); });
    if (wire_->is_xml()) return decoded;
    if (decoded.kind == Codec::Kind::stanza) count_saved_in(frame.size(), xml_size(stanza.tape()));
    if (decoded.kind == Codec::Kind::nothing) count_saved_in(frame.size(), white_space);
    return decoded;
}

void Connection::count_saved_in(std::size_t frame, std::size_t xml) {
    const auto saved = static_cast<std::int64_t>(xml) - static_cast<std::int64_t>(frame);
    wire_->figures.saved_in += saved;
    if (session_ != nullptr) session_->count_saved(saved);
}

void Connection::count_saved_out(std::size_t frame, std::size_t xml) {
    const auto saved = static_cast<std::int64_t>(xml) - static_cast<std::int64_t>(frame);
    wire_->figures.saved_out += saved;
    if (session_ != nullptr) session_->count_saved(saved);
}

// The codec was swapped since this stream was last used: what the old one remembers of it is for the new one to read.
bool Connection::bring_up_to_date() {
    const auto* memory = stream_.memory();
    if (memory == nullptr || memory->version == wire_->version) return true;
    return wire_->codec->upgrade(stream_.make_memory());
}

}   // namespace tambo
