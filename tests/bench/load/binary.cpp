#include "binary.hpp"

#include <array>
#include <stdexcept>
#include <utility>

#include "decoder.hpp"
#include "encoder.hpp"
#include "framing.hpp"
#include "slots.hpp"
#include "stream/reader.hpp"
#include "xml_out.hpp"

namespace bench {

namespace fun = tambo::funxmpp;

namespace {

constexpr auto dialect = fun::Dialect::page;
constexpr std::size_t largest_frame = 0xf'ffff;

template <class Encode>
void frame(std::string& bytes, Encode&& encode) {
    const auto opened = fun::open_frame(bytes);
    if (!encode() || !fun::close_frame(bytes, opened, dialect, largest_frame))
        throw std::runtime_error{"more than FunXMPP can say"};
}

}   // namespace

struct Binary::Impl {
    fun::Slots in, out;
    fun::Encoder encoder{dialect};
    fun::Decoder decoder{dialect};
    tambo::Reader reader;
    tambo::Tape tape;
    bool has_begun = false, has_ended = false;
};

Binary::Binary() : impl_(std::make_unique<Impl>()) {}
Binary::~Binary() = default;

std::string Binary::header(std::string_view domain) {
    impl_->in = impl_->out = {};   // a stream begins, or begins anew
    std::string bytes;
    if (!std::exchange(impl_->has_begun, true)) bytes = fun::prologue(dialect);
    const std::array<fun::Attribute, 2> attributes{{{"to", domain}, {"version", "1.0"}}};
    bench::frame(bytes, [&] { return impl_->encoder.encode_start(attributes, bytes, &impl_->out); });
    return bytes;
}

std::string Binary::element(std::string_view xml) {
    if (impl_->reader.read(xml, {}, largest_frame, impl_->tape))
        throw std::runtime_error{"no element: " + std::string{xml}};
    std::string bytes;
    bench::frame(bytes, [&] { return impl_->encoder.encode(impl_->tape, bytes, &impl_->out); });
    return bytes;
}

std::string Binary::footer() {
    std::string bytes;
    bench::frame(bytes, [&] {
        impl_->encoder.encode_end(bytes);
        return true;
    });
    return bytes;
}

Binary::Frame Binary::frame(std::string_view bytes) {
    const auto found = fun::find_frame(bytes, dialect, largest_frame);
    if (found.state == fun::Found::State::refused) throw std::runtime_error{"the server sends no frame"};
    return {.used = found.state == fun::Found::State::whole ? found.used : 0, .payload = found.payload};
}

std::string Binary::read(std::string_view payload) {
    if (payload.empty()) return {};   // keeps the connection alive
    const auto decoded = impl_->decoder.decode(payload, impl_->tape, &impl_->in);
    if (decoded.kind == fun::Decoded::Kind::error)
        throw std::runtime_error{"the server sends no payload: " + std::string{fun::to_string(decoded.fault)}};
    impl_->has_ended = decoded.kind == fun::Decoded::Kind::end;
    std::string xml;
    if (decoded.kind == fun::Decoded::Kind::node && fun::write_inner(impl_->tape, largest_frame))
        fun::write_xml(impl_->tape, xml);
    return xml;
}

bool Binary::has_ended() const noexcept { return impl_->has_ended; }

}   // namespace bench
