// Content that leaves a server as it came to it: Decoder::content, and the Encoder that takes it.
#include <array>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "decoder.hpp"
#include "encoder.hpp"
#include "vectors.hpp"
#include "xml_out.hpp"

namespace tambo::funxmpp {
namespace {

/// Who reads a stream of the page dialect.
struct Reader {
    bool read(std::string_view payload) { return decoder.decode(payload, tape, &slots).fault == Fault::none; }
    std::string xml() {
        std::string out;
        if (write_inner(tape, Limits{}.text)) write_xml(tape, out);
        return out;
    }
    std::string_view content_of(std::string_view hex) {
        payload = from_hex(hex).value();
        read(payload);
        return decoder.content();
    }

    Decoder decoder{Dialect::page};
    Slots slots;
    Tape tape;
    std::string payload;
};

TEST(Content, means_the_same_on_any_other_stream) {
    std::ifstream in{std::string{TAMBO_SOURCE_DIR} + "/tests/data/funxmpp-stanzas.tsv"};
    Encoder encoder{Dialect::page};
    Slots from_client, to_other;
    Reader server, other;
    std::size_t carried = 0;
    static constexpr std::array<Attribute, 1> attributes{{{"to", "juliet@im.example.com/balcony"}}};
    for (std::string line; std::getline(in, line);) {
        const auto stanza = parse_xml(line.substr(line.find('\t') + 1)).value();
        std::string came, leaves;
        ASSERT_TRUE(encoder.encode(stanza, came, &from_client));
        ASSERT_TRUE(server.read(came));
        const auto content = server.decoder.content();
        if (content.empty()) continue;
        ++carried;
        ASSERT_TRUE(encoder.encode("message", attributes, content, leaves, &to_other));
        ASSERT_TRUE(other.read(leaves)) << line;
        ASSERT_TRUE(write_inner(server.tape, Limits{}.text));
        EXPECT_EQ(other.xml(), "<message to='juliet@im.example.com/balcony'>" + server.tape.inner + "</message>");
    }
    EXPECT_GE(carried, 8U);
}

// 59 is "message", 12 "body", a5 "to".
TEST(Content, is_the_bytes_behind_the_start_tag) {
    Reader reader;
    EXPECT_EQ(reader.content_of("f80259f801f80212fc026869"), from_hex("f801f80212fc026869").value());
    EXPECT_EQ(reader.content_of("f80459a5fc0161fc026869"), from_hex("fc026869").value());
}

TEST(Content, is_none_where_it_needs_the_slots_of_its_stream) {
    Reader reader;
    EXPECT_EQ(reader.content_of("f80259f801f80212ef00fc026869"), "") << "defines one";
    EXPECT_EQ(reader.content_of("f80259f801f80212ee00"), "") << "takes one";
    EXPECT_EQ(reader.content_of("f80459a5ee00f801f80212f1ee00fc0161"), "") << "takes one for a JID";
    EXPECT_NE(reader.content_of("f80459a5ee00f801f80212fc026869"), "") << "only the start tag takes one";
}

TEST(Content, is_none_where_there_is_none_or_it_is_wrong) {
    Reader reader;
    EXPECT_EQ(reader.content_of("f80359a5fc0161"), "");
    EXPECT_EQ(reader.content_of("f80259f801f80212fc0268"), "") << "truncated";
    EXPECT_EQ(reader.content_of("f80102"), "") << "the end of a stream";
}

}   // namespace
}   // namespace tambo::funxmpp
