// The client's side of FunXMPP with the page (man/funxmpp.md), from the first byte of a connection.
#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>

#include <tambo/codec.hpp>

#include "decoder.hpp"
#include "encoder.hpp"
#include "framing.hpp"
#include "loop.hpp"
#include "slots.hpp"
#include "xml_out.hpp"

namespace load {

namespace {

using namespace tambo::funxmpp;

constexpr auto dialect = Dialect::page;
constexpr std::size_t largest_frame = 0xf'ffff;

class FunXmpp final : public Speech {
public:
    std::string header(std::string_view domain) override {
        in_ = out_ = Slots{};   // a stream begins, or begins anew
        std::string bytes;
        if (!std::exchange(has_begun_, true)) bytes = prologue(dialect);
        const std::array<Attribute, 2> attributes{{{"to", domain}, {"version", "1.0"}}};
        frame(bytes, [&] { return encoder_.encode_start(attributes, bytes, &out_); });
        return bytes;
    }
    std::string say(std::string_view xml) override {
        tambo::Tape tape;
        if (reader_.read(xml, xml.size(), tape).kind != tambo::Codec::Kind::stanza)
            throw std::runtime_error{"no element: " + std::string{xml}};
        std::string bytes;
        frame(bytes, [&] { return encoder_.encode(tape, bytes, &out_); });
        return bytes;
    }
    std::string goodbye() override {
        std::string bytes;
        frame(bytes, [&] { return encoder_.encode_end(bytes), true; });
        return bytes;
    }
    bool hear(std::string_view bytes, std::deque<Node>& elements) override {
        came_ += bytes;
        std::size_t used = 0;
        bool goes_on = true;
        while (goes_on) {
            const auto found = find_frame(std::string_view{came_}.substr(used), dialect, largest_frame);
            if (found.state == Found::State::refused)
                throw std::runtime_error{"no frame: " + std::string{to_string(found.fault)}};
            if (found.state == Found::State::need_more) break;
            used += found.used;
            if (!found.payload.empty()) goes_on = hear_payload(found.payload, elements);
        }
        came_.erase(0, used);
        return goes_on;
    }

private:
    template <class Encode>
    static void frame(std::string& bytes, Encode&& encode) {
        const auto opened = open_frame(bytes);
        if (!encode() || !close_frame(bytes, opened, dialect, largest_frame))
            throw std::runtime_error{"more than FunXMPP can say"};
    }

    bool hear_payload(std::string_view payload, std::deque<Node>& elements) {
        tambo::Tape tape;
        const auto decoded = decoder_.decode(payload, tape, &in_);
        if (decoded.kind == Decoded::Kind::error)
            throw std::runtime_error{"no payload: " + std::string{to_string(decoded.fault)}};
        if (decoded.kind == Decoded::Kind::end) return false;
        if (decoded.kind == Decoded::Kind::start) return true;
        std::string xml;
        write_inner(tape, largest_frame);
        write_xml(tape, xml);
        auto nodes = play::read_fragment(xml);
        std::ranges::move(nodes, std::back_inserter(elements));
        return true;
    }

    bool has_begun_ = false;
    Slots in_, out_;
    Encoder encoder_{dialect};
    Decoder decoder_{dialect};
    tambo::XmlReader reader_;
    std::string came_;
};

}   // namespace

std::unique_ptr<Speech> speak_funxmpp() { return std::make_unique<FunXmpp>(); }

}   // namespace load
