#include <tambo/codec.hpp>

#include "stream/reader.hpp"
#include "stream/self_contained.hpp"

namespace tambo {

XmlReader::XmlReader() : reader_(std::make_unique<Reader>()) {}

XmlReader::~XmlReader() = default;

Codec::Decoded XmlReader::read(std::string_view element, std::size_t max_bytes, Tape& tape) {
    if (const auto fault = reader_->read(element, {}, max_bytes, tape))
        return {.kind = Codec::Kind::error, .condition = fault->condition, .text = fault->text};
    return {.kind = Codec::Kind::stanza};
}

bool XmlReader::is_self_contained(const Tape& tape) noexcept { return !leans_on_start_tag(tape); }

}   // namespace tambo
