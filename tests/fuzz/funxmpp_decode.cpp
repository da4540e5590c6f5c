// Hostile payloads: the first byte chooses the dialect. What is accepted has to be what an XML parser would accept.
#include "funxmpp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tambo::funxmpp;
    if (size == 0) return 0;
    const auto dialect = dialect_of(data[0]);
    const std::string_view payload{reinterpret_cast<const char*>(data) + 1, size - 1};
    constexpr Limits limits{.text = 65536, .inflated = 65536};
    Decoder decoder{dialect, limits};
    tambo::Tape tape;
    Slots slots;
    for (int turn = 0; turn < 2; ++turn) {   // the second time, slots are defined
        const auto decoded = decoder.decode(payload, tape, &slots);
        require((decoded.kind == Decoded::Kind::error) == (decoded.fault != Fault::none), "an error has a code");
        require(tape.text.size() <= limits.text + 2 * Slots::max_bytes || decoded.fault == Fault::text_too_large,
                "text is bounded");
        if (decoded.kind == Decoded::Kind::error)
            require(decoded.offset <= limits.inflated + size, "offsets are inside");
        if (decoded.kind == Decoded::Kind::node) require(told_by_parser(tape, limits) == told(tape), "tape is its XML");
    }
    return 0;
}
