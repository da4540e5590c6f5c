// XML to FunXMPP and back, in every dialect: the kernel's parser sees no difference.
#include "funxmpp.hpp"

namespace {

using namespace tambo::funxmpp;

void check(const tambo::Tape& tape, Dialect dialect) {
    constexpr Limits limits{.name = 4096, .text = std::size_t{1} << 20};
    std::string payload;
    Slots sent, heard;
    require(Encoder{dialect}.encode(tape, payload, &sent), "a small stanza can be written");
    tambo::Tape arrived;
    const auto decoded = Decoder(dialect, limits).decode(payload, arrived, &heard);
    if (is_of_policy(decoded)) return;
    require(decoded.kind == Decoded::Kind::node, "what a parser accepts can be sent");
    const auto before = told(tape);
    require(told(arrived) == before, "and arrives");
    require(told_by_parser(arrived, limits) == before, "and is the same XML");
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto tape = tambo::parse_xml({reinterpret_cast<const char*>(data), size});
    if (!tape || tape->nodes.front().next != tape->nodes.size()) return 0;   // several elements
    for (const auto dialect : {Dialect::classic, Dialect::md, Dialect::page}) check(*tape, dialect);
    return 0;
}
