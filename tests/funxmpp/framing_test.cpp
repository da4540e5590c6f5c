#include "framing.hpp"

#include <gtest/gtest.h>

#include "decoder.hpp"
#include "encoder.hpp"
#include "tree_json.hpp"
#include "vectors.hpp"

namespace tambo::funxmpp {
namespace {

constexpr std::size_t limit = 262144;

std::string opening() {   // CF1
    for (const auto& each : vectors().at("classic").as_object().at("framing").as_array())
        if (text_of(each.as_object(), "id") == "CF1") return bytes_of(each.as_object());
    return {};
}

TEST(Framing, finds_prologue_and_frame_wherever_the_socket_cuts) {
    const auto bytes = opening();
    for (std::size_t cut = 1; cut < 4; ++cut) {
        auto dialect = Dialect::md;
        EXPECT_EQ(find_prologue(bytes.substr(0, cut), dialect).state, Found::State::need_more) << cut;
        EXPECT_EQ(dialect, Dialect::md);
    }
    auto dialect = Dialect::md;
    ASSERT_EQ(find_prologue(bytes, dialect).used, 4U);
    EXPECT_EQ(dialect, Dialect::classic);
    const auto rest = bytes.substr(4);
    for (std::size_t cut = 0; cut < rest.size(); ++cut)
        EXPECT_EQ(find_frame(rest.substr(0, cut), dialect, limit).state, Found::State::need_more) << cut;
    const auto more = rest + "next";
    const auto frame = find_frame(more, dialect, limit);
    EXPECT_EQ(frame.used, rest.size());
    Tape tape;
    const auto decoded = Decoder{dialect}.decode(frame.payload, tape);
    ASSERT_EQ(decoded.kind, Decoded::Kind::start);
    EXPECT_TRUE(Element(tape, 0).is("stream", ns::streams));
    EXPECT_EQ(Element(tape, 0).attribute("to"), "s.whatsapp.net");
}

TEST(Framing, writes_the_opening_that_was_seen) {
    Tape tape;
    tree_from_json(R"({"ctrl": 1, "attrs": [["to", "s.whatsapp.net"], ["resource", "S40-2.12.15"]]})", tape);
    std::string out{prologue(Dialect::classic)};
    const auto opened = open_frame(out);
    ASSERT_TRUE(Encoder{Dialect::classic}.encode_start(tape, out));
    ASSERT_TRUE(close_frame(out, opened, Dialect::classic, limit));
    EXPECT_EQ(to_hex(out), to_hex(opening()));
}

TEST(Framing, ends_a_stream_with_three_bytes) {
    std::string out;
    const auto opened = open_frame(out);
    Encoder{Dialect::classic}.encode_end(out);
    ASSERT_TRUE(close_frame(out, opened, Dialect::classic, limit));
    EXPECT_EQ(to_hex(out), "000003f80102");
    Tape tape;
    EXPECT_EQ(Decoder{Dialect::classic}.decode(out.substr(3), tape).kind, Decoded::Kind::end);
}

TEST(Framing, takes_an_empty_frame_for_a_sign_of_life) {
    const auto found = find_frame(std::string_view{"\0\0\0\0", 4}, Dialect::classic, limit);
    EXPECT_EQ(found.state, Found::State::whole);
    EXPECT_EQ(found.used, 3U);
    EXPECT_TRUE(found.payload.empty());
}

TEST(Framing, reads_the_length_from_twenty_bits) {
    const std::string bytes = "\x01\x23\x45" + std::string(0x12345, 'x');
    EXPECT_EQ(find_frame(bytes, Dialect::classic, limit).payload.size(), 0x12345U);
    EXPECT_EQ(find_frame(bytes, Dialect::md, limit).payload.size(), 0x12345U);
}

TEST(Framing, never_writes_a_frame_beyond_the_limit) {
    std::string out;
    const auto opened = open_frame(out);
    out.append(limit + 1, 'x');
    EXPECT_FALSE(close_frame(out, opened, Dialect::classic, limit));
    EXPECT_TRUE(close_frame(out, opened, Dialect::classic, limit + 1));
    out.append(1048576 - limit - 1, 'x');
    EXPECT_FALSE(close_frame(out, opened, Dialect::classic, std::size_t{1} << 30)) << "more than 20 bits";
}

TEST(Framing, skips_routing_information_before_a_multi_device_prologue) {
    const auto bytes = from_hex("45440001000003aabbcc57410603").value();
    auto dialect = Dialect::classic;
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
        EXPECT_EQ(find_prologue(bytes.substr(0, cut), dialect).state, Found::State::need_more) << cut;
    EXPECT_EQ(find_prologue(bytes, dialect).used, bytes.size());
    EXPECT_EQ(dialect, Dialect::md);
    EXPECT_EQ(find_prologue(from_hex("45440001ffffff").value(), dialect).state, Found::State::refused);
    EXPECT_EQ(find_prologue(from_hex("4544000100000057410105").value(), dialect).state, Found::State::refused);
}

}   // namespace
}   // namespace tambo::funxmpp
