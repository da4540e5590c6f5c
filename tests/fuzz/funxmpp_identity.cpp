// decode, encode, decode: the same tree. The first byte chooses the dialect.
#include "funxmpp.hpp"

namespace {

using namespace tambo::funxmpp;

void check(Dialect dialect, std::string_view payload, bool is_raw) {
    Decoder decoder{dialect};
    Slots first, sent, heard;
    const auto read = [&](std::string_view bytes, tambo::Tape& tape, Slots& slots) {
        return is_raw ? decoder.decode_raw(bytes, tape, &slots) : decoder.decode(bytes, tape, &slots);
    };
    tambo::Tape tape, again;
    const auto decoded = read(payload, tape, first);
    if (decoded.kind == Decoded::Kind::error) return;
    std::string written;
    Encoder encoder{dialect};
    if (decoded.kind == Decoded::Kind::node) require(encoder.encode(tape, written, &sent), "a tree can be written");
    if (decoded.kind == Decoded::Kind::start) require(encoder.encode_start(tape, written, &sent), "a start likewise");
    if (decoded.kind == Decoded::Kind::end) encoder.encode_end(written);
    require(read(written, again, heard).kind == decoded.kind, "what is written can be read");
    require(told(again) == told(tape), "and is the same");
    require(sent == heard, "slots are the same at both ends");
    if (decoded.kind != Decoded::Kind::node) return;
    std::string shorter;
    require(encoder.encode(again, shorter, &sent) && read(shorter, again, heard).kind == decoded.kind, "a second time");
    require(told(again) == told(tape) && shorter.size() <= written.size(), "and not longer");
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view payload{reinterpret_cast<const char*>(data) + 1, size - 1};
    check(dialect_of(data[0]), payload, false);
    check(dialect_of(data[0]), payload, true);
    return 0;
}
