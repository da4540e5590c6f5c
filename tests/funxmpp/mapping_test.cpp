// Any XMPP survives: XML to tape to FunXMPP to tape to XML.
#include <gtest/gtest.h>

#include "decoder.hpp"
#include "encoder.hpp"
#include "random_xml.hpp"
#include "trees.hpp"
#include "vectors.hpp"
#include "xml_out.hpp"

namespace tambo::funxmpp {
namespace {

constexpr std::size_t roomy = std::size_t{16} << 20;
constexpr std::array dialects{Dialect::classic, Dialect::md, Dialect::page};

Tape parsed(std::string_view xml) {
    auto tape = parse_xml(xml);
    EXPECT_TRUE(tape.has_value()) << xml;
    return tape ? *tape : Tape{};
}

struct Stream {
    explicit Stream(Dialect dialect) : encoder(dialect), decoder(dialect, {.text = roomy}) {}

    std::string encode(const Tape& tape) {
        std::string payload;
        EXPECT_TRUE(encoder.encode(tape, payload, &sent));
        return payload;
    }
    Tape through(const Tape& tape) {
        Tape arrived;
        const auto payload = encode(tape);
        const auto decoded = decoder.decode(payload, arrived, &heard);
        EXPECT_EQ(decoded.kind, Decoded::Kind::node)
            << to_string(decoded.fault) << " at " << decoded.offset << " of " << to_hex(payload);
        EXPECT_EQ(sent, heard);
        return arrived;
    }

    Encoder encoder;
    Decoder decoder;
    Slots sent, heard;
};

void expect_children_to_stand_alone(const Tape& tape, const std::string& xml) {
    for (const auto child : Element{tape, 0}.children()) {
        const auto again = parsed(child.standalone());
        EXPECT_TRUE(Element(again, 0).is(child.name(), child.space())) << xml;
    }
}

void expect_survival(const std::string& xml, Stream& stream) {
    const auto tape = parsed(xml);
    auto arrived = stream.through(tape);
    ASSERT_EQ(told(arrived), told(tape)) << xml;
    ASSERT_TRUE(write_inner(arrived, roomy));
    std::string again;
    write_xml(arrived, again);
    EXPECT_EQ(told(parsed(again)), told(tape)) << xml << "\nbecame\n" << again;
    expect_children_to_stand_alone(arrived, xml);
}

TEST(Mapping, keeps_every_random_tree) {
    constexpr std::uint32_t trees = 3000;
    std::array<Stream, 3> streams{Stream{dialects[0]}, Stream{dialects[1]}, Stream{dialects[2]}};
    for (std::uint32_t seed = 1; seed <= trees && !testing::Test::HasFailure(); ++seed) {
        const auto xml = RandomXml{seed}.stanza();
        SCOPED_TRACE("seed " + std::to_string(seed));
        for (auto& stream : streams) expect_survival(xml, stream);
    }
}

TEST(Mapping, keeps_what_is_awkward) {
    const std::string awkward[] = {
        "<message><body>hi <b>you</b>!</body></message>",
        "<message> <body/>\n</message>",
        "<message xmlns=''><x xmlns='jabber:client'/></message>",
        "<p:message xmlns:p='jabber:client' p:a='1' a='2'><p:body>x</p:body></p:message>",
        "<message xml:lang='en'><body xml:lang='de'>hallo</body></message>",
        "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
        "<message><body><![CDATA[<&>]]>&#x1F600;&amp;</body></message>",
        "<message a='&#13;&#10;&#9; x'><body>&#13;</body></message>",
        "<message><body>" + std::string(70000, 'y') + "</body></message>",
        "<message type='chat' to='a@b' xmlns:z='urn:z' z:q='1'/>",
        "<message xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'/>",
        "<a xmlns:s='urn:1'><s:b xmlns:s='urn:2'><s:c/></s:b><s:d/></a>",
    };
    for (const auto dialect : dialects) {
        Stream stream{dialect};
        for (const auto& xml : awkward) expect_survival(xml, stream);
    }
}

TEST(Mapping, merges_neighbouring_runs_of_text) {
    const auto bytes = from_hex("f80212f803f802fc052374657874fc0161f802fc052374657874fc0162f801fc0178").value();
    Tape tape;
    ASSERT_EQ(Decoder{Dialect::classic}.decode(bytes, tape).kind, Decoded::Kind::node);
    EXPECT_EQ(Element(tape, 0).text(), "ab");
    EXPECT_EQ(Element(tape, 0).first().name(), "x");
}

TEST(Mapping, does_not_add_text_to_that_of_an_element_before) {
    const auto bytes = from_hex("f80212f803f802fc0178fc0161f802fc052374657874fc00f802fc052374657874fc0162").value();
    Tape tape;
    ASSERT_EQ(Decoder{Dialect::classic}.decode(bytes, tape).kind, Decoded::Kind::node);
    EXPECT_EQ(Element(tape, 0).first().text(), "a");
    EXPECT_EQ(Element(tape, 0).text(), "b");
}

TEST(Mapping, puts_declarations_before_attributes_as_a_parser_does) {
    const auto bytes = from_hex("f80559a517c1fc03757269").value();   // to='chat' xmlns='uri'
    Tape tape;
    ASSERT_EQ(Decoder{Dialect::classic}.decode(bytes, tape).kind, Decoded::Kind::node);
    EXPECT_EQ(told(tape), told(parsed("<message to='chat' xmlns='uri'/>")));
}

struct Bad {
    std::string_view why, json_hex;
    Fault fault;
};

TEST(Mapping, refuses_what_is_no_xml) {
    const Bad bad[] = {
        {"undeclared prefix of an element", "f801fc03703a61", Fault::undeclared_prefix},
        {"undeclared prefix of an attribute", "f80359fc03703a61fc00", Fault::undeclared_prefix},
        {"prefix bound to nothing", "f80359fc07786d6c6e733a70fc00", Fault::bad_namespace},
        {"prefix xmlns bound", "f80359fc0b786d6c6e733a786d6c6e73fc0161", Fault::bad_namespace},
        {"prefix xml bound to something else", "f80359fc09786d6c6e733a786d6cfc0161", Fault::bad_namespace},
        {"one attribute by two prefixes",
         "f80959fc07786d6c6e733a70fc0175fc07786d6c6e733a71fc0175fc03703a61fc00fc03713a61fc00",
         Fault::duplicate_attribute},
        {"#text as the root", "f802fc052374657874fc0161", Fault::bad_name},
        {"#text with an attribute", "f80259f801f804fc052374657874a5fc00fc0161", Fault::bad_name},
        {"#text with children", "f80259f801f802fc052374657874f801f80112", Fault::list_as_string},
        {"#text as an attribute", "f80359fc052374657874fc00", Fault::bad_name},
        {"text that is not UTF-8", "f80212fc01ff", Fault::bad_utf8},
        {"text with a control character", "f80212fc0107", Fault::bad_xml_char},
        {"a name that only XML's fifth edition has", "f801fc02cdb0", Fault::bad_name},
        {"a name with two colons", "f801fc05613a623a63", Fault::bad_name},
        {"a name that begins with a digit", "f801fc023161", Fault::bad_name},
    };
    for (const auto& each : bad) {
        Tape tape;
        const auto decoded = Decoder{Dialect::classic}.decode(from_hex(each.json_hex).value(), tape);
        EXPECT_EQ(to_string(decoded.fault), to_string(each.fault)) << each.why;
    }
}

TEST(Limits, bound_names_and_text) {
    Tape tape;
    std::string payload{"\xf8\x01\xfd\x00\x01\x01", 6};
    payload.append(257, 'n');
    EXPECT_EQ(Decoder{Dialect::classic}.decode(payload, tape).fault, Fault::name_too_long);
    const auto tokens = from_hex("f80359a5fc0461616161").value();
    EXPECT_EQ(Decoder(Dialect::classic, {.text = 25}).decode(tokens, tape).fault, Fault::text_too_large);
    EXPECT_EQ(Decoder(Dialect::classic, {.text = 26}).decode(tokens, tape).kind, Decoded::Kind::node);
}

TEST(Limits, bound_the_prefixes_in_scope) {
    const auto nested = [](int levels) {   // each declares a hundred
        std::string xml;
        for (int level = 0; level < levels; ++level) {
            xml += "<x";
            for (int i = 0; i < 100; ++i) xml += " xmlns:p" + std::to_string(level) + "." + std::to_string(i) + "='u'";
            xml += ">";
        }
        for (int level = 0; level < levels; ++level) xml += "</x>";
        std::string payload;
        EXPECT_TRUE(Encoder{Dialect::classic}.encode(parsed(xml), payload));
        return payload;
    };
    Tape tape;
    EXPECT_EQ(Decoder{Dialect::classic}.decode(nested(5), tape).kind, Decoded::Kind::node);
    EXPECT_EQ(Decoder{Dialect::classic}.decode(nested(6), tape).fault, Fault::too_many_attributes);
}

TEST(MultiDevice, counts_literals_in_twenty_bits) {
    const auto bytes = from_hex(
                           "00f80238fdf00001"
                           "41")
                           .value();
    Tape tape;
    ASSERT_EQ(Decoder{Dialect::md}.decode(bytes, tape).kind, Decoded::Kind::node);
    EXPECT_EQ(Element(tape, 0).text(), "A");
    EXPECT_EQ(Decoder{Dialect::classic}.decode(bytes.substr(1), tape).fault, Fault::truncated) << "there, 24";
}

TEST(Limits, bound_what_tokens_expand_to) {
    std::string payload{"\xf8\x02\x59\xf9\x10\x00", 6};
    for (int i = 0; i < 4096; ++i)
        payload += "\xf8\x03\x12\xc1\x42";   // <body xmlns='http://jabber.org/protocol/chatstates'/>
    Tape tape;
    EXPECT_EQ(Decoder(Dialect::classic, {.text = 100000}).decode(payload, tape).fault, Fault::text_too_large);
    ASSERT_EQ(Decoder(Dialect::classic).decode(payload, tape).kind, Decoded::Kind::node);
    EXPECT_FALSE(write_inner(tape, 100000));
    EXPECT_TRUE(write_inner(tape, 400000));
}

TEST(Encoder, refuses_what_lists_can_not_count) {
    std::string xml = "<message>";
    for (int i = 0; i < 65536; ++i) xml += "<x/>";
    std::string out;
    EXPECT_FALSE(Encoder{Dialect::classic}.encode(parsed(xml + "</message>"), out));
}

}   // namespace
}   // namespace tambo::funxmpp
