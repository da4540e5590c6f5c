#include "vectors.hpp"

#include <gtest/gtest.h>

#include "decoder.hpp"
#include "encoder.hpp"
#include "framing.hpp"
#include "tree_json.hpp"

namespace tambo::funxmpp {
namespace {

constexpr std::size_t roomy = std::size_t{16} << 20;

std::string decoded_json(std::string_view payload, Dialect dialect) {
    Decoder decoder{dialect, {.text = roomy}};
    Tape tape;
    const auto decoded = decoder.decode_raw(payload, tape);
    return tree_to_json(decoded, tape, dialect);
}

json::object decoded_tree(std::string_view payload, Dialect dialect) {
    return json::parse(decoded_json(payload, dialect), {}, {.max_depth = 600}).as_object();
}

/// What a vector expects; one of them only describes it.
json::object expected_tree(const json::object& vector) {
    if (vector.contains("tree")) return vector.at("tree").as_object();
    return {{"tag", "enc"}, {"text", std::string(1048576, 'a')}};
}

std::string encoded(const json::object& tree, Dialect dialect, Packing packing) {
    Tape tape;
    std::string out;
    EXPECT_EQ(tree_from_json(json::serialize(tree), tape).kind, Decoded::Kind::node);
    EXPECT_TRUE(Encoder(dialect, packing).encode(tape, out));
    return out;
}

class Vectors : public testing::TestWithParam<const char*> {
protected:
    Dialect dialect = dialect_of(GetParam());
    const json::array& payloads = vectors().at(GetParam()).as_object().at("payload").as_array();
};

TEST_P(Vectors, decode_to_their_trees) {
    for (const auto& each : payloads) {
        const auto& vector = each.as_object();
        EXPECT_EQ(comparable(decoded_tree(bytes_of(vector), dialect)), comparable(expected_tree(vector)))
            << text_of(vector, "id");
    }
}

TEST_P(Vectors, encode_to_their_bytes) {
    for (const auto& each : payloads) {
        const auto& vector = each.as_object();
        if (text_of(vector, "direction") != "encode+decode") continue;
        const auto packing = text_of(vector, "policy") == "plain" ? Packing::plain : Packing::packed;
        EXPECT_EQ(to_hex(encoded(expected_tree(vector), dialect, packing)), to_hex(bytes_of(vector)))
            << text_of(vector, "id");
    }
}

TEST_P(Vectors, cut_anywhere_are_truncated) {
    for (const auto& each : payloads) {
        const auto& vector = each.as_object();
        const auto bytes = bytes_of(vector);
        if (bytes.size() > 4096) continue;
        for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
            Tape tape;
            const auto decoded = Decoder{dialect}.decode_raw(std::string_view{bytes}.substr(0, cut), tape);
            EXPECT_EQ(to_string(decoded.fault), "TRUNCATED") << text_of(vector, "id") << " cut at " << cut;
            EXPECT_LE(decoded.offset, cut);
        }
    }
}

TEST_P(Vectors, with_any_byte_changed_give_a_tree_or_an_error_and_both_readings_agree_on_faults) {
    for (const auto& each : payloads) {
        auto bytes = bytes_of(each.as_object());
        if (bytes.size() > 256) continue;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            const auto kept = bytes[i];
            for (const int value : {0x00, 0x01, 0x80, 0xec, 0xf5, 0xf8, 0xfa, 0xfc, 0xfd, 0xfe, 0xff}) {
                bytes[i] = static_cast<char>(value);
                Tape raw, tape;
                const auto as_tree = Decoder{dialect}.decode_raw(bytes, raw);
                const auto as_xmpp = Decoder{dialect}.decode(bytes, tape);
                EXPECT_TRUE(as_tree.kind != Decoded::Kind::error || as_xmpp.kind == Decoded::Kind::error)
                    << to_hex(bytes);
            }
            bytes[i] = kept;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Funxmpp, Vectors, testing::Values("classic", "md"), [](const auto& v) { return v.param; });

/// Malformed vectors that are a connection's first bytes or a frame, not a payload.
bool is_of_framing(const json::object& vector) {
    const auto id = text_of(vector, "id");
    return id >= "X80" && id <= "X86";
}

TEST(MalformedVectors, are_refused_with_the_right_error_at_the_right_place) {
    for (const auto& each : vectors().at("malformed").as_array()) {
        const auto& vector = each.as_object();
        if (is_of_framing(vector)) continue;
        const auto& expected = vector.at("expect").as_object();
        auto got = json::parse(decoded_json(bytes_of(vector), dialect_of(text_of(vector, "dictionary")))).as_object();
        if (!expected.contains("offset")) got.erase("offset");
        EXPECT_EQ(got, expected) << text_of(vector, "id");
    }
}

TEST(MalformedVectors, of_framing_are_refused_with_the_right_error) {
    constexpr std::size_t limit = 262144;
    for (const auto& each : vectors().at("malformed").as_array()) {
        const auto& vector = each.as_object();
        if (!is_of_framing(vector)) continue;
        const auto bytes = bytes_of(vector);
        const auto& expected = vector.at("expect").as_object();
        const bool is_prologue = text_of(expected, "error") == "BAD_PROLOGUE";
        auto dialect = Dialect::classic;
        const auto found = is_prologue ? find_prologue(bytes, dialect) : find_frame(bytes, dialect, limit);
        const auto wants_more = expected.contains("need_more");
        EXPECT_EQ(found.state, wants_more ? Found::State::need_more : Found::State::refused) << text_of(vector, "id");
        EXPECT_EQ(to_string(found.fault), text_of(expected, "error")) << text_of(vector, "id");
    }
}

TEST(FaultCodes, are_those_of_the_vectors_with_their_conditions) {
    std::size_t known = 0;
    for (const auto& [code, what] : vectors().at("error_codes").as_object())
        for (auto i = static_cast<int>(Fault::truncated); i <= static_cast<int>(Fault::bad_slot); ++i)
            if (const auto fault = static_cast<Fault>(i); to_string(fault) == std::string_view{code}) {
                ++known;
                EXPECT_EQ(stream_error(fault), text_of(what.as_object(), "stream_error")) << code;
            }
    EXPECT_EQ(known, vectors().at("error_codes").as_object().size());
}

}   // namespace
}   // namespace tambo::funxmpp
