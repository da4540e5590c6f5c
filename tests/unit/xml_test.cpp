#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tambo/xml.hpp>

using namespace tambo;

namespace {

Tape parsed(std::string_view xml) {
    auto tape = parse_xml(xml);
    EXPECT_TRUE(tape) << xml << ": " << (tape ? "" : tape.error().text);
    return tape ? std::move(*tape) : Tape{};
}

}   // namespace

TEST(Element, answers_nothing_where_nothing_is) {
    const Element none;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.child("a").child("b", "c").first().next().text(), "");
    EXPECT_EQ(none.name(), "");
    EXPECT_EQ(none.space(), "");
    EXPECT_EQ(none.xml(), "");
    EXPECT_EQ(none.standalone(), "");
    EXPECT_EQ(none.attribute("x"), "");
    EXPECT_FALSE(none.has_attribute("x"));
    EXPECT_FALSE(none.is("", ""));
    for ([[maybe_unused]] const auto child : none.children()) FAIL();
}

TEST(Element, finds_children_by_name_and_namespace) {
    const auto tape = parsed(
        "<q xmlns='urn:q' xmlns:p='urn:p'>text<a n='1'/><p:a n='2'/><a xmlns='urn:o' n='3'/><b><a n='4'/></b></q>");
    const Element q{tape, 0};
    EXPECT_TRUE(q.is("q", "urn:q"));
    EXPECT_EQ(q.child("a").attribute("n"), "1");
    EXPECT_EQ(q.child("a", "urn:p").attribute("n"), "2");
    EXPECT_EQ(q.child_in("urn:o").attribute("n"), "3");
    EXPECT_EQ(q.child("b").child("a").attribute("n"), "4");
    EXPECT_FALSE(q.child("c"));
    EXPECT_FALSE(q.child("a", "urn:nothing"));
    std::vector<std::string> names;
    for (const auto child : q.children()) names.emplace_back(child.name());
    EXPECT_EQ(names, (std::vector<std::string>{"a", "a", "a", "b"}));
}

TEST(Element, keeps_to_its_own_siblings) {
    const auto tape = parsed("<q><a><b/></a><c/></q>");
    const auto b = Element{tape, 0}.child("a").first();
    EXPECT_EQ(b.name(), "b");
    EXPECT_FALSE(b.next());
    EXPECT_EQ((Element{tape, 0}.child("a").next().name()), "c");
    EXPECT_FALSE((Element{tape, 0}.next()));
}

TEST(Element, tells_attributes_from_their_namesakes) {
    const auto tape = parsed("<a xmlns:p='urn:p' p:type='x' empty='' xml:lang='de'><b id='inner'/></a>");
    const Element a{tape, 0};
    EXPECT_FALSE(a.has_attribute("type"));
    EXPECT_FALSE(a.has_attribute("id"));
    EXPECT_FALSE(a.has_attribute("p"));
    EXPECT_TRUE(a.has_attribute("empty"));
    EXPECT_EQ(a.lang(), "de");
    EXPECT_EQ(a.first().lang(), "");
}

TEST(Element, gives_its_first_text) {
    const auto tape = parsed("<a><b>x &amp; y</b><c><d>no</d>first<d/>second</c><e/></a>");
    const Element a{tape, 0};
    EXPECT_EQ(a.text(), "");
    EXPECT_EQ(a.child("b").text(), "x & y");
    EXPECT_EQ(a.child("c").text(), "first");
    EXPECT_EQ(a.child("e").text(), "");
}

TEST(Element, stands_alone_with_what_it_inherits) {
    const auto tape = parsed(
        "<iq xmlns:p='urn:p'><q xmlns='urn:q' xmlns:r='urn:r'><item/><p:x xmlns:r='urn:own'><r:y/></p:x><z "
        "xmlns='urn:z'/></q><body/></iq>");
    const Element q = Element{tape, 0}.first();
    EXPECT_EQ(q.standalone(), "<q xmlns:p='urn:p' " + std::string{q.xml().substr(3)});
    EXPECT_EQ(q.first().standalone(), "<item xmlns:p='urn:p' xmlns='urn:q' xmlns:r='urn:r'/>");
    EXPECT_EQ(q.child("x", "urn:p").standalone(), "<p:x xmlns:p='urn:p' xmlns='urn:q' xmlns:r='urn:own'><r:y/></p:x>");
    EXPECT_EQ(q.child("z", "urn:z").standalone(), "<z xmlns:p='urn:p' xmlns:r='urn:r' xmlns='urn:z'/>");
    const auto again = parsed(q.child("x", "urn:p").standalone());
    EXPECT_TRUE((Element{again, 0}.is("x", "urn:p")));
    EXPECT_EQ((Element{again, 0}.first().space()), "urn:own");
}

TEST(ParseXml, reads_several_elements_beside_each_other) {
    const auto tape = parsed(" <a>1<x/></a>\n<b/> <c><y/></c> ");
    EXPECT_EQ(tape.inner, " <a>1<x/></a>\n<b/> <c><y/></c> ");
    const Element a{tape, 0};
    EXPECT_EQ(a.xml(), "<a>1<x/></a>");
    EXPECT_EQ(a.first().xml(), "<x/>");
    EXPECT_EQ(a.next().xml(), "<b/>");
    EXPECT_EQ(a.next().next().xml(), "<c><y/></c>");
    EXPECT_EQ(a.next().next().first().xml(), "<y/>");
    EXPECT_FALSE(a.next().next().next());
}

TEST(ParseXml, gives_one_element_the_usual_inner) {
    const auto tape = parsed("\n<a b='c'>1<x/></a> ");
    EXPECT_EQ(tape.inner, "1<x/>");
    EXPECT_EQ((Element{tape, 0}.space()), ns::client);
    EXPECT_EQ((Element{tape, 0}.first().xml()), "<x/>");
    EXPECT_EQ((Element{parsed("<stream:features/>"), 0}.space()), ns::streams);
}

TEST(ParseXml, says_bad_request_to_everything_else) {
    for (const std::string_view xml :
         {"", " ", "text", "<a>", "<a/>x", "</stream:stream><stream:stream>", "<!-- -->", "<a><!-- --></a>",
          "<?pi?><a/>", "<!DOCTYPE a><a/>", "<p:a/>", "<a>&x;</a>", "<a/></stream:stream>", "&#32;x<a/>"}) {
        const auto tape = parse_xml(xml);
        ASSERT_FALSE(tape) << xml;
        EXPECT_EQ(tape.error().condition, Condition::bad_request);
        EXPECT_FALSE(tape.error().text.empty()) << xml;
    }
}

TEST(Writer, nests_closes_and_escapes) {
    Writer writer;
    writer.element("query", "urn:a'b").attribute("n", 42).attribute("v", "<\"&'>").attribute_if("absent", "");
    writer.element("item").text("a < b").end().element("empty").end().raw("<raw/>");
    EXPECT_EQ(
        writer.take(),
        "<query xmlns='urn:a&apos;b' n='42' v='&lt;&quot;&amp;&apos;&gt;'><item>a &lt; b</item><empty/><raw/></query>");
}

TEST(Writer, goes_on_where_another_text_ended) {
    Writer writer{"<a/>"};
    EXPECT_EQ(writer.element("b").str(), "<a/><b/>");
    EXPECT_FALSE(writer.empty());
    EXPECT_TRUE(Writer{}.empty());
}

TEST(Escape, never_writes_what_a_reader_would_refuse) {
    EXPECT_EQ(escape("plain"), "plain");
    EXPECT_EQ(escape("]]>"), "]]&gt;");
    EXPECT_EQ(escape("\n\t"), "\n\t");
    EXPECT_EQ(escape(std::string_view{"a\0\x01\x1f", 4}), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    std::string all;
    for (int c = 0; c < 0x80; ++c) all += static_cast<char>(c);
    const auto tape = parsed(Writer{}.element("a").attribute("v", all).text(all).str());
    std::string expected = all.substr(0x20);
    const auto value = Element{tape, 0}.attribute("v");
    EXPECT_EQ(value.substr(value.size() - expected.size()), expected);
}

TEST(Escape, brings_back_line_breaks_and_tabs_of_attributes) {
    const auto tape = parsed(Writer{}.element("a").attribute("v", "1\n2\r\n3\t4").text("1\n2\r\n3\t4").str());
    EXPECT_EQ((Element{tape, 0}.attribute("v")), "1\n2\r\n3\t4");
    EXPECT_EQ((Element{tape, 0}.text()), "1\n2\r\n3\t4");
}
