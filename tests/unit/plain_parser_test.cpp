#include "stream/plain_parser.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "stream/tape_parser.hpp"
#include "tests/fuzz/tape_listing.hpp"

using namespace tambo;

namespace {

constexpr std::string_view preamble =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

bool is_plain(std::string_view element) {
    Tape tape;
    return PlainParser::read(element, tape);
}

/// Whatever is accepted at the beginning of `bytes` is what expat makes of it; its length.
std::size_t compared(TapeParser& expat, std::string_view bytes) {
    Tape tape;
    const auto length = PlainParser::read(bytes, {}, tape);
    if (length == 0) return 0;
    const auto element = bytes.substr(0, length);
    Tape other;
    const auto fault = expat.read(element, other);
    EXPECT_FALSE(fault) << element << ": " << (fault ? fault->text : "");
    EXPECT_EQ(reference::listing(tape), reference::listing(other)) << element;
    return length;
}

std::string contents(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

}   // namespace

TEST(PlainParser, reads_what_stanzas_are_made_of) {
    TapeParser expat{preamble};
    for (const std::string_view element : {
             "<message/>",
             "<message></message >",
             "<iq\n\tto = 'romeo@montague.lit'  id=\"a'b\"\n/>",
             "<presence xml:lang='en' id=''><show>away</show><c xmlns='urn:c' ver='1'/><x xmlns='urn:x'/></presence>",
             "<message><body>a > b ]] ] 'c' \"d\"\n\te</body><y xmlns=''><z/></y><z/></message>",
             "<message id='&lt;&gt;&amp;&apos;&quot;'>&lt;&#65;&#x1F600;&#x20AC;&#xe9;&#0010;b</message>",
             "<message id='a\n\tb'><body>D\xc3\xa9nie \xe2\x82\xac \xf0\x9f\x98\x80</body></message>",
             "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldA==</auth>",
             "<q late='1' xml:lang='de' xmlns='urn:q'><xml:lang/></q>",
             "<a><b><c>1</c>2<d/>3</b>4</a>",
         }) {
        const bool may_be_odd = element.find("<xml:") != std::string_view::npos;
        EXPECT_EQ(compared(expat, element), may_be_odd ? 0 : element.size()) << element;
    }
}

TEST(PlainParser, leaves_what_is_unusual_or_wrong_to_expat) {
    for (const std::string_view element : {
             "",
             " <a/>",
             "<a/> ",
             "<a/><b/>",
             "a",
             "<",
             "<a",
             "<a>",
             "<a></b>",
             "<a></ab>",
             "<ab></a>",
             "<a></ a>",
             "</a>",
             "<1/>",
             "<-/>",
             "<p:a xmlns:p='urn:p'/>",
             "<a xmlns:p='urn:p'/>",
             "<a p:b='1'/>",
             "<a xml:space='preserve'/>",
             "<a xml:lang='a' xml:lang='b'/>",
             "<a b='1' b='2'/>",
             "<a xmlns='1' xmlns='2'/>",
             "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
             "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
             "<a xmlns='a&amp;b'/>",
             "<a b='1'c='2'/>",
             "<a b=1/>",
             "<a b/>",
             "<a b='<'/>",
             "<a b='>/>",
             "<a / >",
             "<a/ b='1'>",
             "<a>]]></a>",
             "<a><!-- b --></a>",
             "<a><?b?></a>",
             "<a><![CDATA[b]]></a>",
             "<a>\r\n</a>",
             "<a b='\r'/>",
             "<a>\x01</a>",
             "<a b='\x1f'/>",
             "<a>&b;</a>",
             "<a>&</a>",
             "<a>&lt</a>",
             "<a>&#;</a>",
             "<a>&#x;</a>",
             "<a>&#-1;</a>",
             "<a>&#X41;</a>",
             "<a>&#0;</a>",
             "<a>&#11;</a>",
             "<a>&#xD800;</a>",
             "<a>&#xFFFE;</a>",
             "<a>&#x110000;</a>",
             "<a>&#99999999999;</a>",
             "<a>\x80</a>",
             "<a>\xc0\xaf</a>",
             "<a>\xc3</a>",
             "<a>\xe0\x80\xaf</a>",
             "<a>\xed\xa0\x80</a>",
             "<a>\xef\xbf\xbe</a>",
             "<a>\xf0\x80\x80\xaf</a>",
             "<a>\xf4\x90\x80\x80</a>",
             "<a>\xf8\x88\x80\x80\x80</a>",
             "<a b='\xff'/>",
             "<\xc3\xa9/>",
         })
        EXPECT_FALSE(is_plain(element)) << element;
    EXPECT_FALSE(is_plain(std::string_view{"<a>\0</a>", 8}));
}

TEST(PlainParser, finds_the_end_and_nothing_before_it) {
    constexpr std::string_view element =
        "<message to='a@b' xml:lang='en'><body>&lt;\xe2\x82\xac&#x20AC;]]</body><x xmlns='urn:x'/></message>";
    Tape tape;
    for (std::size_t length = 0; length < element.size(); ++length)
        EXPECT_EQ(PlainParser::read(element.substr(0, length), {}, tape), 0U) << element.substr(0, length);
    EXPECT_EQ(PlainParser::read(std::string{element} + "<iq", {}, tape), element.size());
}

TEST(PlainParser, keeps_within_its_bounds) {
    Tape tape;
    EXPECT_NE(PlainParser::read("<a b='' c=''><d/></a>", {.depth = 2, .attributes = 2}, tape), 0U);
    EXPECT_EQ(PlainParser::read("<a b='' c=''><d/></a>", {.depth = 1, .attributes = 2}, tape), 0U);
    EXPECT_EQ(PlainParser::read("<a b='' c=''><d/></a>", {.depth = 2, .attributes = 1}, tape), 0U);
    EXPECT_EQ(PlainParser::read("<a b='' xmlns='c'/>", {.depth = 2, .attributes = 1}, tape), 0U);
    std::string deep;
    for (int i = 0; i < 1000; ++i) deep += "<a>";
    for (int i = 0; i < 1000; ++i) deep += "</a>";
    EXPECT_EQ(PlainParser::read(deep, {.depth = 5000, .attributes = 5000}, tape), 0U);
}

// Each place in each file below tests/ where an element may begin, and the same with one byte changed.
TEST(PlainParser, says_what_expat_says_of_all_xml_in_these_tests) {
    TapeParser expat{preamble};
    std::size_t elements = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator{TAMBO_SOURCE_DIR "/tests"}) {
        if (!file.is_regular_file()) continue;
        auto bytes = contents(file.path());
        for (auto at = bytes.find('<'); at != std::string::npos; at = bytes.find('<', at + 1)) {
            const auto length = compared(expat, std::string_view{bytes}.substr(at));
            if (length == 0) continue;
            ++elements;
            const auto changed = at + elements % length;
            const char before = std::exchange(bytes[changed], "<>'\"&;:/ =\n\r]x\x01\xc3"[elements % 16]);
            compared(expat, std::string_view{bytes}.substr(at));
            bytes[changed] = before;
            if (HasFailure()) FAIL() << "in " << file.path();
        }
    }
    EXPECT_GT(elements, 5000U);
}
