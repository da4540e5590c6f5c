#include "stream/reader.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include <tambo/xml.hpp>

using namespace tambo;

namespace {

using enum StreamCondition;

std::optional<StreamCondition> refusal(std::string_view stanza, const std::string& declarations = {},
                                       std::size_t bytes = 10'000) {
    Reader reader;
    Tape tape;
    const auto fault = reader.read(stanza, declarations, bytes, tape);
    return fault ? std::optional{fault->condition} : std::nullopt;
}

Tape tape_of(std::string_view stanza, const std::string& declarations = {}) {
    Reader reader;
    Tape tape;
    const auto fault = reader.read(stanza, declarations, 10'000, tape);
    EXPECT_FALSE(fault) << stanza << ": " << (fault ? fault->text : "");
    return tape;
}

/// One line for each node: what it is, as written, {namespace}, value.
std::string listing(const Tape& tape) {
    std::string out;
    for (const auto& node : tape.nodes) {
        out += std::string{"e@:t"}[static_cast<std::size_t>(node.kind)];
        out += std::to_string(node.next) + " " + std::string{tape.at(node.name)};
        if (node.space.length > 0) out += "{" + std::string{tape.at(node.space)} + "}";
        if (node.kind != Tape::Kind::element) out += "=" + std::string{tape.at(node.value)};
        out += "\n";
    }
    return out;
}

}   // namespace

TEST(Reader, writes_the_tape_as_its_contract_says) {
    const auto tape = tape_of(
        "<iq id='1' xml:lang='en'>a<q:x xmlns:q='urn:q' xmlns='urn:d' q:b='&lt;' "
        "c=''/>b&amp;<![CDATA[<c>]]>d<y>z</y></iq>");
    EXPECT_EQ(listing(tape),
              "e12 iq{jabber:client}\n"
              "@2 id=1\n"
              "@3 xml:lang{http://www.w3.org/XML/1998/namespace}=en\n"
              "t4 =a\n"
              "e9 q:x{urn:q}\n"
              ":6 q=urn:q\n"
              ":7 =urn:d\n"
              "@8 q:b{urn:q}=<\n"
              "@9 c=\n"
              "t10 =b&<c>d\n"
              "e12 y{jabber:client}\n"
              "t12 =z\n");
    EXPECT_EQ(tape.nodes[4].prefix, 2);
    EXPECT_EQ(tape.nodes[7].prefix, 2);
    EXPECT_EQ(tape.nodes[0].prefix, 0);
    EXPECT_EQ(tape.inner, "a<q:x xmlns:q='urn:q' xmlns='urn:d' q:b='&lt;' c=''/>b&amp;<![CDATA[<c>]]>d<y>z</y>");
}

TEST(Reader, notes_where_each_element_stands) {
    const auto tape = tape_of("<message\n to = 'x' ><a>1</a > <b\n/><c><d/><d></d></c></message>");
    const Element root{tape, 0};
    EXPECT_EQ(root.child("a").xml(), "<a>1</a >");
    EXPECT_EQ(root.child("b").xml(), "<b\n/>");
    EXPECT_EQ(root.child("c").xml(), "<c><d/><d></d></c>");
    EXPECT_EQ(root.child("c").first().xml(), "<d/>");
    EXPECT_EQ(root.child("c").first().next().xml(), "<d></d>");
}

TEST(Reader, gives_an_empty_stanza_no_inner) {
    for (const auto* stanza : {"<iq/>", "<iq a='>'\n/>", "<iq></iq>", "<iq a='/'></iq >"})
        EXPECT_EQ(tape_of(stanza).inner, "") << stanza;
}

TEST(Reader, joins_text_however_expat_hands_it_out) {
    std::string body;
    for (int i = 0; i < 500; ++i) body += "line\r\n&#x20AC;<![CDATA[]]><![CDATA[&]]>";
    const auto tape = tape_of("<message><body>" + body + "</body></message>");
    ASSERT_EQ(tape.nodes.size(), 3U);
    std::string expected;
    for (int i = 0; i < 500; ++i) expected += "line\n\xe2\x82\xac&";
    EXPECT_EQ(tape.at(tape.nodes[2].value), expected);
}

TEST(Reader, keeps_each_namespace_once_however_often_it_changes) {
    const std::string space(2'000, 'n');
    for (const auto* tag : {"a", "p:a"}) {   // one for each parser
        std::string stanza = "<" + std::string{tag} + " xmlns:p='urn:p' xmlns='" + space + "'>";
        if (tag == std::string_view{"a"}) stanza = "<a xmlns='" + space + "'>";
        for (int i = 0; i < 200; ++i) stanza += "<b xmlns='x'/><c/>";
        stanza += "</" + std::string{tag} + ">";
        EXPECT_LT(tape_of(stanza).text.size(), 2 * stanza.size()) << tag;
    }
}

TEST(Reader, refuses_what_is_not_well_formed) {
    for (const std::string_view stanza : {"<a><b></a></b>",
                                          "<iq type=get/>",
                                          "<iq type='get' type='set'/>",
                                          "<iq a='1'b='2'/>",
                                          "<a>]]></a>",
                                          "<a b='<'/>",
                                          "<a>&lt</a>",
                                          "<a>&#0;</a>",
                                          "<a>&#x1;</a>",
                                          "<a b='&#x110000;'/>",
                                          "<a>&#xD800;</a>",
                                          "<a b='\xff\xfe'/>",
                                          "<a>\xc0\xaf</a>",
                                          "<a>\xed\xa0\x80</a>",
                                          "<a>\xef\xbf\xbf</a>",
                                          "<a>\x01</a>",
                                          "<a>",
                                          "<a",
                                          "<a/><b",
                                          "",
                                          "<a></a></stream:stream>",
                                          "</stream:stream>",
                                          "<a/><b/>",
                                          "<a b>",
                                          "<1/>",
                                          "<a:b:c xmlns:a='x'/>"})
        EXPECT_EQ(refusal(stanza), not_well_formed) << stanza;
    EXPECT_EQ(refusal(std::string_view{"<a b='a\0b'/>", 12}), not_well_formed);
}

// RFC 6120 §4.9.3.13 counts XML-NAMES to well-formedness.
TEST(Reader, refuses_names_that_break_xml_names) {
    for (const std::string_view stanza :
         {"<foo:bar/>", "<a foo:b='1'/>", "<a xmlns:xml='urn:evil'/>",
          "<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>", "<a xmlns:xmlns='urn:x'/>", "<a xmlns:x=''/>",
          "<a xmlns='http://www.w3.org/2000/xmlns/'/>", "<a xmlns:x='urn:1' xmlns:y='urn:1' x:b='' y:b=''/>"})
        EXPECT_EQ(refusal(stanza), not_well_formed) << stanza;
}

// RFC 6120 §11.1
TEST(Reader, refuses_restricted_xml_by_itself_too) {
    for (const std::string_view stanza :
         {"<a><!-- x --></a>", "<a><?pi x?></a>", "<a>&foo;</a>", "<a b='&foo;'/>", "<a><?xml version='1.0'?></a>"})
        EXPECT_EQ(refusal(stanza), restricted_xml) << stanza;
    EXPECT_TRUE(refusal("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"));
}

TEST(Reader, refuses_text_around_the_stanza) {
    EXPECT_EQ(refusal("<a/>x"), bad_format);
    EXPECT_EQ(refusal("x<a/>"), bad_format);
}

TEST(Reader, reads_on_after_each_kind_of_fault) {
    Reader reader;
    Tape tape;
    for (const auto* bad :
         {"<a><b>", "<a></b>", "<a", "</stream:stream>", "<!-- ", "<a>&x;</a>", "<a/><b/>", "x", "<a b='"}) {
        EXPECT_TRUE(reader.read(bad, {}, 1000, tape)) << bad;
        ASSERT_FALSE(reader.read("<message><body>fine</body></message>", {}, 1000, tape)) << "after " << bad;
        ASSERT_EQ((Element{tape, 0}.child("body").text()), "fine") << "after " << bad;
    }
}

TEST(Reader, never_lets_one_stanza_color_the_next) {
    Reader reader;
    Tape tape;
    ASSERT_FALSE(reader.read("<a xmlns='urn:a' xmlns:p='urn:p'><p:x/></a>", {}, 1000, tape));
    ASSERT_FALSE(reader.read("<b/>", {}, 1000, tape));
    EXPECT_EQ((Element{tape, 0}.space()), ns::client);
    EXPECT_TRUE(reader.read("<p:x/>", {}, 1000, tape));
}

// expat keeps each name for ever; strangers must not fill our memory with made-up ones.
TEST(Reader, forgets_the_names_that_strangers_make_up) {
    Reader reader;
    Tape tape;
    std::size_t most = 0;
    for (int i = 0; i < 20'000; ++i) {
        const auto n = std::to_string(i);
        ASSERT_FALSE(
            reader.read("<m a" + n + "='x'><p" + n + ":b xmlns:p" + n + "='urn:" + n + "'/></m>", {}, 1000, tape));
        most = std::max(most, reader.memory());
    }
    EXPECT_LE(most, Reader::max_parser_bytes);
    EXPECT_GT(reader.memory(), 0U);
    ASSERT_FALSE(reader.read("<m>" + std::string(200'000, 'x') + "</m>", {}, 1000, tape));
    ASSERT_FALSE(reader.read("<m a='" + std::string(200'000, 'x') + "'/>", {}, 1000, tape));
    EXPECT_LE(reader.memory(), Reader::max_parser_bytes);
}

TEST(Reader, needs_no_more_memory_once_it_is_warm) {
    Reader reader;
    Tape tape;
    const std::string stanza = "<message to='a@b' xml:lang='en'><body>hello</body><x xmlns='urn:x' a='1'/></message>";
    for (int i = 0; i < 3; ++i) ASSERT_FALSE(reader.read(stanza, {}, 1000, tape));
    const auto memory = reader.memory();
    const auto* nodes = tape.nodes.data();
    const auto* text = tape.text.data();
    const auto* inner = tape.inner.data();
    for (int i = 0; i < 100; ++i) ASSERT_FALSE(reader.read(stanza, {}, 1000, tape));
    EXPECT_EQ(reader.memory(), memory);
    EXPECT_EQ(tape.nodes.data(), nodes);
    EXPECT_EQ(tape.text.data(), text);
    EXPECT_EQ(tape.inner.data(), inner);
}

TEST(Reader, gives_each_child_the_prefixes_of_the_start_tag) {
    const auto tape = tape_of(
        "<iq xmlns:p='urn:p' xmlns:q='urn:&apos;q' id='1'>t<p:a/><b><p:c/></b><d/><p:e xmlns:p='urn:other'/><f "
        "v='q:x'/><![CDATA[<p:]]></iq>");
    EXPECT_EQ(tape.inner,
              "t<p:a xmlns:p='urn:p'/><b xmlns:p='urn:p'><p:c/></b><d/><p:e xmlns:p='urn:other'/>"
              "<f xmlns:q='urn:&apos;q' v='q:x'/><![CDATA[<p:]]>");
    const Element root{tape, 0};
    EXPECT_EQ(root.attribute("id"), "1");
    EXPECT_EQ(root.first().space(), "urn:p");
    EXPECT_EQ(root.child("e", "urn:other").xml(), "<p:e xmlns:p='urn:other'/>");
    EXPECT_NE(tape.nodes[1].kind, Tape::Kind::declaration) << "nothing is left to declare";
}

TEST(Reader, gives_each_child_the_prefixes_of_the_stream_header) {
    const auto tape =
        tape_of("<iq a='/>' b=\"'\"><p:a q:x='1'/></iq>", " xmlns:p='urn:p' xmlns:q='urn:q' xmlns:r='urn:r'");
    EXPECT_EQ(tape.inner, "<p:a xmlns:p='urn:p' xmlns:q='urn:q' q:x='1'/>");
    EXPECT_EQ(tape_of("<iq/>", " xmlns:p='urn:p'").inner, "");
    EXPECT_EQ(tape_of("<iq xmlns:p='urn:own'><p:a/></iq>", " xmlns:p='urn:p'").inner, "<p:a xmlns:p='urn:own'/>");
}

TEST(Reader, keeps_those_declarations_that_the_start_tag_needs_itself) {
    EXPECT_EQ(listing(tape_of("<message p:a='1' to='x'/>", " xmlns:p='urn:p' xmlns:q='urn:q'")),
              "e4 message{jabber:client}\n:2 p=urn:p\n@3 p:a{urn:p}=1\n@4 to=x\n");
    EXPECT_EQ(listing(tape_of("<p:x/>", " xmlns:p='urn:p'")), "e2 p:x{urn:p}\n:2 p=urn:p\n");
}

TEST(Reader, writes_a_stanza_with_prefix_as_one_without) {
    const auto tape = tape_of(
        "<c:message xmlns:c='jabber:client' xmlns='urn:x'><c:body>hi</c:body><y><z/></y><v xmlns=''/></c:message>");
    EXPECT_EQ(tape.at(tape.nodes[0].name), "message");
    EXPECT_EQ(tape.inner,
              "<c:body xmlns:c='jabber:client' xmlns='urn:x'>hi</c:body><y xmlns='urn:x'><z/></y><v xmlns=''/>");
    EXPECT_EQ((Element{tape, 0}.child("body").text()), "hi");
}

TEST(Reader, refuses_when_wrapped_what_it_refuses_bare) {
    const std::string declared = " xmlns:p='urn:p'";
    for (const std::string_view stanza : {"<a/></w><w>", "<a/><b/>", "<a/>x", "x<a/>", "", "<a>", " <a/>", "</w><w>"})
        EXPECT_TRUE(refusal(stanza, declared)) << stanza;
}

TEST(Reader, bounds_what_inherited_declarations_can_blow_up) {
    std::string stanza = "<m xmlns:p='urn:" + std::string(1000, 'p') + "'>";
    for (int i = 0; i < 1000; ++i) stanza += "<p:x/>";
    stanza += "</m>";
    EXPECT_EQ(refusal(stanza), policy_violation);
    EXPECT_EQ(refusal("<m xmlns:p='urn:p'><p:x/></m>", {}, 36), std::nullopt);
    EXPECT_EQ(refusal("<m xmlns:p='urn:p'><p:x/></m>", {}, 24), policy_violation);
}
