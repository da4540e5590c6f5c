#include "funxmpp_wire.hpp"

#include <utility>
#include <vector>

#include <tambo/codec.hpp>

#include "framing.hpp"
#include "xml_out.hpp"

namespace play {

namespace fun = tambo::funxmpp;

namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 20;
constexpr std::string_view open_stream =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";

}   // namespace

FunXmppWire::FunXmppWire(std::unique_ptr<Wire> below, fun::Dialect dialect, Entry entry)
    : below_(std::move(below)),
      dialect_(dialect),
      is_binary_(entry == Entry::direct),
      needs_prologue_(is_binary_),
      encoder_(dialect),
      decoder_(dialect, {.text = most_bytes}) {}

std::string FunXmppWire::compression() const {
    if (is_binary_) return {};
    return dialect_ == fun::Dialect::page ? "funxmpp-page:" + std::to_string(fun::page_version) : "funxmpp";
}

void FunXmppWire::write(std::string_view xml) {
    if (!is_binary_) return below_->write(xml);
    std::vector<StreamPiece> pieces;
    if (!splitter_.feed(xml, pieces)) throw std::runtime_error{"this is no XML: " + std::string{xml}};
    std::string bytes;
    for (const auto& piece : pieces) bytes += frame(piece);
    below_->write(bytes);
}

std::string FunXmppWire::frame(const std::string& element) { return frame({StreamPiece::Kind::element, element, {}}); }

std::string FunXmppWire::frame(const StreamPiece& piece) {
    std::string out;
    if (piece.kind == StreamPiece::Kind::header) {
        // A stream that began as XML has no prologue, and a restarted one has no second one.
        if (std::exchange(needs_prologue_, false)) out += fun::prologue(dialect_);
        sent_ = {};
    }
    const auto opened = fun::open_frame(out);
    bool is_written = true;
    if (piece.kind == StreamPiece::Kind::footer) {
        encoder_.encode_end(out);
    } else if (piece.kind == StreamPiece::Kind::header) {
        std::vector<fun::Attribute> attributes;
        for (const auto& [name, value] : piece.attributes) attributes.push_back({name, value});
        is_written = encoder_.encode_start(attributes, out, &sent_);
    } else {
        const auto tape = tambo::parse_xml(piece.xml);
        if (!tape) throw std::runtime_error{tape.error().text + ": " + piece.xml};
        is_written = encoder_.encode(*tape, out, &sent_);
    }
    if (!is_written || !fun::close_frame(out, opened, dialect_, most_bytes))
        throw std::runtime_error{"too long for FunXMPP"};
    return out;
}

std::string FunXmppWire::read(std::chrono::milliseconds patience) {
    if (!is_binary_) return below_->read(patience);
    while (true) {
        const auto bytes = below_->read(patience);
        if (bytes.empty()) return {};
        tail_ += bytes;
        if (auto xml = take_frames(); !xml.empty()) return xml;
    }
}

std::string FunXmppWire::take_frames() {
    std::string xml;
    while (true) {
        const auto found = fun::find_frame(tail_, dialect_, most_bytes);
        if (found.state == fun::Found::State::refused)
            throw std::runtime_error{"the server sent a bad frame: " + std::string{fun::to_string(found.fault)}};
        if (found.state == fun::Found::State::need_more) return xml;
        if (!found.payload.empty()) xml += as_xml(found.payload);
        tail_.erase(0, found.used);
    }
}

std::string FunXmppWire::as_xml(std::string_view payload) {
    constexpr char start = '\x01';
    if (payload.size() > 2 && payload[2] == start) heard_ = {};   // slots belong to a stream
    tambo::Tape tape;
    const auto decoded = decoder_.decode(payload, tape, &heard_);
    if (decoded.kind == fun::Decoded::Kind::error)
        throw std::runtime_error{"the server sent what can't be read: " + std::string{fun::to_string(decoded.fault)}};
    if (decoded.kind == fun::Decoded::Kind::end) return "</stream:stream>";
    std::string xml;
    if (!fun::write_inner(tape, most_bytes)) throw std::runtime_error{"the server sent more than anybody wants"};
    fun::write_xml(tape, xml);
    if (decoded.kind == fun::Decoded::Kind::node) return xml;
    constexpr std::string_view written = "<stream:stream", empty = "/>";
    xml.resize(xml.size() - empty.size());
    return std::string{open_stream} + xml.substr(written.size()) + '>';
}

}   // namespace play
