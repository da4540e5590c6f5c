// Decoding takes memory for the tape and for nothing else.

#include <gtest/gtest.h>

#include "allocations.hpp"
#include "decoder.hpp"
#include "encoder.hpp"
#include "vectors.hpp"
#include "xml_out.hpp"

namespace tambo::funxmpp {
namespace {

class Allocations : public testing::TestWithParam<Dialect> {};

TEST_P(Allocations, are_none_once_tape_and_output_are_warm) {
    std::ifstream in{std::string{TAMBO_SOURCE_DIR} + "/tests/data/funxmpp-stanzas.tsv"};
    Decoder decoder{GetParam()};
    Encoder encoder{GetParam()};
    Slots sent, heard;
    std::string payload;
    Tape tape;
    for (std::string line; std::getline(in, line);) {
        const auto stanza = parse_xml(line.substr(line.find('\t') + 1)).value();
        std::size_t before = 0;
        for (int turn = 0; turn < 2; ++turn) {
            before = allocations;
            payload.clear();
            ASSERT_TRUE(encoder.encode(stanza, payload, &sent));
            ASSERT_EQ(decoder.decode(payload, tape, &heard).kind, Decoded::Kind::node);
            ASSERT_TRUE(write_inner(tape, Limits{}.text));
        }
        EXPECT_GT(before, 0U) << "nobody counts";
        EXPECT_EQ(allocations, before) << line;
    }
}

INSTANTIATE_TEST_SUITE_P(Funxmpp, Allocations, testing::Values(Dialect::classic, Dialect::md, Dialect::page));

TEST(Memory, is_not_taken_for_what_is_only_announced) {
    constexpr std::size_t small = 64;
    const auto huge_literal = from_hex("f80212fdffffff4142").value();
    const auto huge_list = from_hex("f80254f9fffff8014c").value();
    const auto huge_md = from_hex("00f80238feffffffff41").value();
    Tape tape;
    Decoder classic{Dialect::classic}, md{Dialect::md};
    EXPECT_EQ(classic.decode(huge_literal, tape).fault, Fault::truncated);
    EXPECT_EQ(classic.decode(huge_list, tape).fault, Fault::truncated);
    EXPECT_EQ(md.decode(huge_md, tape).fault, Fault::truncated);
    EXPECT_LE(tape.nodes.capacity(), small);
    EXPECT_LE(tape.text.capacity(), 8 * small);
}

}   // namespace
}   // namespace tambo::funxmpp
