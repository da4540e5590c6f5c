// The page dialect: man/funxmpp.md, section 2.
#include <gtest/gtest.h>

#include "decoder.hpp"
#include "encoder.hpp"
#include "tree_json.hpp"
#include "trees.hpp"
#include "vectors.hpp"

namespace tambo::funxmpp {
namespace {

const json::object& page_vectors() {
    static const auto all = read_json("funxmpp-page-vectors.json");
    return all;
}

/// One direction of a stream, as the receiver sees it.
struct Receiver {
    std::string read(std::string_view payload) {
        const auto decoded = decoder.decode_raw(payload, tape, &slots);
        return tree_to_json(decoded, tape, Dialect::page);
    }
    json::object tree(std::string_view payload) { return comparable(json::parse(read(payload)).as_object()); }

    Decoder decoder{Dialect::page};
    Slots slots;
    Tape tape;
};

TEST(PageVectors, are_about_this_page) {
    EXPECT_EQ(page_hash(), text_of(page_vectors(), "sha256"));
    EXPECT_EQ(page_version, page_vectors().at("version").to_number<unsigned>());
}

TEST(PageVectors, decode_to_their_trees_in_order) {
    for (const auto& each : page_vectors().at("streams").as_array()) {
        Receiver receiver;
        for (const auto& step : each.as_object().at("steps").as_array())
            EXPECT_EQ(receiver.tree(bytes_of(step.as_object())), comparable(step.as_object().at("tree").as_object()))
                << text_of(each.as_object(), "id") << ' ' << text_of(step.as_object(), "hex");
    }
}

TEST(PageVectors, encode_to_their_bytes_in_order) {
    for (const auto& each : page_vectors().at("streams").as_array()) {
        if (text_of(each.as_object(), "direction") != "encode+decode") continue;
        Encoder encoder{Dialect::page};
        Slots slots;
        for (const auto& step : each.as_object().at("steps").as_array()) {
            Tape tape;
            std::string out;
            tree_from_json(json::serialize(step.as_object().at("tree")), tape);
            ASSERT_TRUE(encoder.encode(tape, out, &slots));
            EXPECT_EQ(to_hex(out), text_of(step.as_object(), "hex")) << text_of(each.as_object(), "id");
        }
    }
}

TEST(PageVectors, cut_anywhere_are_truncated) {
    for (const auto& each : page_vectors().at("streams").as_array()) {
        Receiver receiver;
        for (const auto& step : each.as_object().at("steps").as_array()) {
            const auto bytes = bytes_of(step.as_object());
            for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
                auto copy = receiver.slots;
                Tape tape;
                const auto whole = std::string_view{bytes};
                EXPECT_EQ(receiver.decoder.decode_raw(whole.substr(0, cut), tape, &copy).fault, Fault::truncated)
                    << to_hex(bytes) << " cut at " << cut;
            }
            receiver.read(bytes);
        }
    }
}

TEST(PageVectors, that_are_malformed_are_refused_with_the_right_error_at_the_right_place) {
    for (const auto& each : page_vectors().at("malformed").as_array()) {
        const auto& vector = each.as_object();
        Receiver receiver;
        if (const auto* before = vector.if_contains("before"))
            for (const auto& hex : before->as_array()) receiver.read(from_hex(hex.as_string()).value());
        EXPECT_EQ(json::parse(receiver.read(bytes_of(vector))), vector.at("expect")) << text_of(vector, "id");
    }
}

struct Wire {
    std::string send(std::string_view xml) {
        const auto tape = parse_xml(xml).value();
        std::string payload;
        EXPECT_TRUE(encoder.encode(tape, payload, &sent));
        Tape arrived;
        const auto decoded = decoder.decode(payload, arrived, &heard);
        EXPECT_EQ(decoded.kind, Decoded::Kind::node) << to_string(decoded.fault) << " in " << to_hex(payload);
        EXPECT_EQ(told(arrived), told(tape));
        EXPECT_TRUE(sent == heard) << "slots differ";
        return payload;
    }
    Encoder encoder{Dialect::page};
    Decoder decoder{Dialect::page};
    Slots sent, heard;
};

TEST(Slots, stay_the_same_at_both_ends_while_a_thousand_peers_come_and_go) {
    Wire wire;
    for (int i = 0; i < 1000; ++i) {
        const auto who = "u" + std::to_string(i * i % 97) + "@d" + std::to_string(i % 7) + ".example";
        wire.send("<message from='" + who + "/r" + std::to_string(i % 3) + "' to='" + who + "'/>");
        wire.send("<presence to='d" + std::to_string(i % 11) + ".example'/>");
    }
}

TEST(Slots, keep_the_one_that_was_used_last) {
    Wire wire;
    wire.send("<message to='juliet@im.example.com'/>");
    for (std::uint32_t i = 0; i < Slots::count; ++i) {
        wire.send("<message to='u" + std::to_string(i) + "@im.example.com'/>");
        EXPECT_EQ(to_hex(wire.send("<message to='juliet@im.example.com'/>")), "f80359a5ee00");
    }
}

TEST(Slots, are_given_to_addresses_of_the_stanza_alone) {
    Wire wire;
    wire.send("<iq><item jid='a@b.example'><x to='c@d.example'/></item></iq>");
    EXPECT_TRUE(wire.sent == Slots{});
}

TEST(Slots, are_not_given_to_what_is_too_long_for_them) {
    Wire wire;
    const auto domain = std::string(245, 'd') + ".example";
    wire.send("<message to='juliet@" + domain + "'/>");
    wire.send("<message to='" + std::string(256, 'd') + "'/>");
}

TEST(Page, is_never_spoken_by_the_other_dialects) {
    const auto tape = parse_xml(
                          "<message to='a@b.example' id='f81d4fae-7dec-11d0-a765-00a0c91e6bf6'>"
                          "<request xmlns='urn:xmpp:receipts'/></message>")
                          .value();
    for (const auto dialect : {Dialect::classic, Dialect::md}) {
        Slots slots;
        std::string with, without;
        ASSERT_TRUE(Encoder{dialect}.encode(tape, with, &slots));
        ASSERT_TRUE(Encoder{dialect}.encode(tape, without));
        EXPECT_EQ(with, without);
        EXPECT_TRUE(slots == Slots{});
    }
}

TEST(Page, saves_more_than_60_percent_on_ordinary_stanzas) {
    std::ifstream in{std::string{TAMBO_SOURCE_DIR} + "/tests/data/funxmpp-stanzas.tsv"};
    Wire wire;
    std::size_t xml_bytes = 0, bytes = 0, stanzas = 0;
    for (std::string line; std::getline(in, line); ++stanzas) {
        const auto xml = line.substr(line.find('\t') + 1);
        xml_bytes += xml.size();
        bytes += wire.send(xml).size();
    }
    EXPECT_EQ(stanzas, 10U);
    EXPECT_LT(static_cast<double>(bytes), 0.4 * static_cast<double>(xml_bytes));
}

TEST(Page, says_a_stanza_without_slots_too) {
    const auto tape = parse_xml("<message from='a@b.example/c' to='d@e.example'/>").value();
    std::string out;
    ASSERT_TRUE(Encoder{Dialect::page}.encode(tape, out));
    Tape arrived;
    ASSERT_EQ(Decoder{Dialect::page}.decode(out, arrived).kind, Decoded::Kind::node);
    EXPECT_EQ(told(arrived), told(tape));
}

}   // namespace
}   // namespace tambo::funxmpp
