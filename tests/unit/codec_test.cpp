#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "stream/xml_codec.hpp"
#include "tests/fuzz/reference.hpp"

using namespace tambo;

namespace {

using enum StreamCondition;

constexpr std::string_view plain_header =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

/// A stream through the codec, as the kernel runs it: what came out, in order.
struct Talk {
    std::unique_ptr<Codec> codec = make_xml_codec();
    Codec::Stream stream{};
    FrameLimits limits{};
    StreamHeader header;
    Stanza stanza;
    std::vector<std::string> heard;
    std::optional<StreamCondition> refused;

    void hear(std::string_view bytes) {
        while (!bytes.empty() && !refused) {
            const auto frame = codec->find(bytes, 0, stream, limits);
            if (frame.found == Codec::Found::error) refused = frame.condition;
            if (frame.found != Codec::Found::frame) return;
            take(bytes.substr(0, frame.used));
            bytes.remove_prefix(frame.used);
        }
    }
    void take(std::string_view frame) {
        const auto decoded = codec->decode(frame, limits, stream, header, stanza);
        switch (decoded.kind) {
            case Codec::Kind::nothing:
                return;
            case Codec::Kind::header:
                heard.emplace_back("header");
                return;
            case Codec::Kind::footer:
                heard.emplace_back("footer");
                return;
            case Codec::Kind::error:
                refused = decoded.condition;
                return;
            case Codec::Kind::stanza:
                heard.push_back(stanza.adopt() ? stanza.str() : "malformed");
                return;
        }
    }
};

std::optional<StreamCondition> refusal(std::string_view bytes) {
    Talk talk;
    talk.hear(bytes);
    return talk.refused;
}

std::string header_with(std::string_view attributes) {
    return "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'" +
           std::string{attributes} + ">";
}

}   // namespace

TEST(XmlCodec, hears_a_stream_from_header_to_footer) {
    Talk talk;
    talk.hear("<?xml version='1.0'?>\n" +
              header_with(" to='montague.lit' from='romeo@montague.lit' version='1.0' xml:lang='en' id='x'") +
              " <message to='a@b'><body>hi</body></message>\n\n<iq/><r xmlns='urn:xmpp:sm:3'/></stream:stream >");
    EXPECT_FALSE(talk.refused);
    EXPECT_EQ(talk.heard, (std::vector<std::string>{"header", "<message to='a@b'><body>hi</body></message>", "<iq/>",
                                                    "<r xmlns='urn:xmpp:sm:3'/>", "footer"}));
    EXPECT_EQ(talk.header.to, "montague.lit");
    EXPECT_EQ(talk.header.from, "romeo@montague.lit");
    EXPECT_EQ(talk.header.version, "1.0");
    EXPECT_EQ(talk.header.lang, "en");
    EXPECT_EQ(talk.header.id, "");
    ASSERT_NE(talk.stream.context(), nullptr);
    EXPECT_EQ(talk.stream.context()->lang, "en");
    EXPECT_EQ(talk.stream.context()->declarations, "");
}

TEST(XmlCodec, carries_the_headers_declarations_into_its_stanzas) {
    Talk talk;
    talk.hear(header_with(" xmlns:p='urn:&quot;p' xmlns:xml='http://www.w3.org/XML/1998/namespace'"));
    ASSERT_NE(talk.stream.context(), nullptr);
    EXPECT_EQ(talk.stream.context()->declarations, " xmlns:p='urn:&quot;p'");
    talk.hear("<message><p:x/></message><iq p:a='1'/><presence/>");
    EXPECT_EQ(talk.heard, (std::vector<std::string>{"header", "<message><p:x xmlns:p='urn:&quot;p'/></message>",
                                                    "<iq xmlns:p='urn:&quot;p' p:a='1'/>", "<presence/>"}));
}

TEST(XmlCodec, keeps_nothing_for_a_stream_with_a_usual_header) {
    Talk talk;
    talk.hear(plain_header);
    talk.hear("<iq/>");
    EXPECT_EQ(talk.stream.context(), nullptr);
}

// RFC 6120 §4.8, §4.9.3
TEST(XmlCodec, hears_in_a_header_that_comes_again_what_it_heard_at_first) {
    Talk talk;
    const auto say = [&](std::string_view attributes) {
        talk.stream = {};
        talk.header = {};
        talk.hear(header_with(attributes));
        const auto& [to, from, id, version, lang] = talk.header;
        const auto* context = talk.stream.context();
        return to + "|" + from + "|" + id + "|" + version + "|" + lang + "|" +
               (context != nullptr ? context->lang : "-");
    };
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(say(" to='a' version='1.0'"), "a|||1.0||-");
        EXPECT_EQ(say(" to='a' version='1.0'"), "a|||1.0||-");
        EXPECT_EQ(say(" to='b' version='1.0'"), "b|||1.0||-");
        EXPECT_EQ(say(" to='b' version='1.0' xml:lang='de'"), "b|||1.0|de|de");
        EXPECT_EQ(say(" to='b' version='1.0' from='c@b'"), "b|c@b||1.0||-");
    }
    EXPECT_FALSE(talk.refused);
    EXPECT_EQ(talk.heard.size(), 10U);
}

TEST(XmlCodec, refuses_headers_with_the_condition_that_the_rfc_names) {
    const std::string streams = "http://etherx.jabber.org/streams";
    EXPECT_EQ(refusal("<stream:stream xmlns='jabber:client' xmlns:stream='urn:wrong'>"), invalid_namespace);
    EXPECT_EQ(refusal("<stream:stream xmlns='urn:wrong' xmlns:stream='" + streams + "'>"), invalid_namespace);
    EXPECT_EQ(refusal("<stream:stream xmlns:stream='" + streams + "'>"), invalid_namespace);
    EXPECT_EQ(refusal("<stream:stream xmlns='jabber:server' xmlns:stream='" + streams + "'>"), invalid_namespace);
    EXPECT_EQ(refusal("<s:stream xmlns='jabber:client' xmlns:s='" + streams + "'>"), bad_namespace_prefix);
    EXPECT_EQ(refusal("<stream:stream xmlns='jabber:client'>"), not_well_formed);
    EXPECT_EQ(refusal("<message xmlns='jabber:client' to='x'/>"), bad_format);
    EXPECT_EQ(refusal(header_with(" to='a' to='b'")), not_well_formed);
    EXPECT_EQ(refusal(header_with(" to='&x;'")), restricted_xml);
    EXPECT_EQ(refusal(header_with(" to='\xff'")), not_well_formed);
    EXPECT_EQ(refusal("<?xml version='1.0' encoding='ISO-8859-1'?>" + header_with("")), unsupported_encoding);
    EXPECT_EQ(refusal("<?xml version='1.0' encoding='UTF-16'?>" + header_with("")), unsupported_encoding);
    EXPECT_EQ(refusal("<?xml version='1.0' encoding='utf-8' standalone='yes'?>" + header_with("")), std::nullopt);
    EXPECT_EQ(refusal("<?xml?>" + header_with("")), restricted_xml);
    EXPECT_EQ(refusal("<?xml nonsense?>" + header_with("")), not_well_formed);
    EXPECT_EQ(refusal("<?xml version='1.0'?><!DOCTYPE l [<!ENTITY l0 'lol'>]>" + header_with("")), restricted_xml);
}

TEST(XmlCodec, refuses_an_end_tag_that_is_not_the_streams) {
    for (const std::string_view tag : {"</stream>", "</message>", "</stream:streams>", "</stream:stream x>",
                                       "</stream:stream x='>'>", "</ stream:stream>"})
        EXPECT_EQ(refusal(std::string{plain_header} + std::string{tag}), not_well_formed) << tag;
}

TEST(XmlCodec, serves_many_streams_with_one_reader) {
    Talk romeo;
    romeo.hear(header_with(" xmlns:p='urn:romeo'"));
    Codec::Stream juliets{};
    EXPECT_EQ(romeo.codec->find(plain_header, 0, juliets, {}).used, plain_header.size());
    romeo.hear("<iq><p:x/></iq>");
    std::string open = "<p:x/>";
    const auto refused = romeo.codec->decode(open, {}, juliets, romeo.header, romeo.stanza);
    EXPECT_EQ(refused.condition, not_well_formed) << "Juliet never declared that prefix";
    romeo.hear("<iq/>");
    EXPECT_EQ(romeo.heard.back(), "<iq/>");
}

TEST(XmlCodec, writes_what_it_reads) {
    Talk talk;
    std::string out;
    talk.codec->write_header(out, {.to = "a@b/'", .from = "montague.lit", .id = "1", .version = "1.0", .lang = "en"},
                             talk.stream);
    EXPECT_EQ(
        out,
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
        "id='1' from='montague.lit' to='a@b/&apos;' version='1.0' xml:lang='en'>");
    talk.codec->write_element(out, "<stream:features/>", talk.stream);
    talk.codec->write(out, Stanza::presence({}, {}), talk.stream);
    talk.codec->write_footer(out);
    talk.hear(out);
    EXPECT_EQ(talk.heard, (std::vector<std::string>{"header", "<stream:features/>", "<presence/>", "footer"}));
    EXPECT_EQ(talk.header.to, "a@b/'");
    EXPECT_EQ(talk.codec->name(), "xml");
}

// The same comparison runs over made-up input in tests/fuzz/framer_reader.cpp.
TEST(XmlCodec, agrees_with_a_plain_parser_wherever_the_bytes_are_cut) {
    constexpr FrameLimits limits{.bytes = 200, .depth = 4, .attributes = 3};
    for (const std::string_view bytes : {
             "<message to='a'><body>hi &amp; bye&#10;</body></message> <iq/>\n<presence></presence></stream:stream>",
             "<iq xmlns:p='urn:p'><p:x p:a='1'/><b><![CDATA[<]]>]]&gt;</b></iq><p:x/>",
             "<c:message xmlns:c='jabber:client' xmlns='urn:x'><c:body/><y/></c:message>",
             "<a xmlns=''><b xmlns='urn:b'><c xmlns:p='urn:q' p:d='\t\r\n'/></b></a>",
             "<a b='>' c=\"'/>\"><b\n/></a ><a>\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80</a>",
             "<a><b><c><d/></c></b></a><a><b><c><d><e/></d></c></b></a>",
             "<a b='' c='' d=''/><a b='' c='' d='' e=''/>",
             "<a><!-- c --></a><b/>",
             "<a/><?pi x?><b/>",
             "<a>&x;</a><b/>",
             "<a/>&#32;<b/>",
             "<a/><![CDATA[ ]]><b/>",
             "<a/>text<b/>",
             "<a></b><c/>",
             "<a b='1' b='2'/><c/>",
             "<a/></stream:stream><b/>",
             "<stream:stream></stream:stream>",
             "<stream:error><x/></stream:error>",
             "<a>]]></a><b/>",
             "<a b='<'/><c/>",
             "<a>\xff</a><b/>",
             "<a/></stream><b/>",
         }) {
        for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
            reference::CodecStream codec{limits};
            reference::PlainStream plain{limits};
            for (const auto piece : {plain_header, bytes.substr(0, cut), bytes.substr(cut)}) {
                codec.hear(piece);
                plain.hear(piece);
            }
            ASSERT_EQ(reference::disagreement(codec.outcome(), plain.outcome()), "") << bytes << " cut at " << cut;
        }
    }
}

// It reads ahead while it looks for the end of a frame, and must not take that for another.
TEST(XmlCodec, decodes_the_frame_that_it_is_given) {
    Talk talk;
    talk.hear(plain_header);
    const auto found = talk.codec->find("<iq id='1'/>", 0, talk.stream, talk.limits);
    EXPECT_EQ(found.used, 12U);
    talk.take("<iq id='2'/>");
    talk.codec->find("<iq id='3'/>", 0, talk.stream, talk.limits);
    talk.take("<iq/>");
    talk.codec->find("<iq id='4'/>", 0, talk.stream, talk.limits);
    talk.take("<iq id='4'/>");
    talk.take("<iq id='4'/>");
    EXPECT_EQ(talk.heard,
              (std::vector<std::string>{"header", "<iq id='2'/>", "<iq/>", "<iq id='4'/>", "<iq id='4'/>"}));
}
