#include "stream/xml_size.hpp"

#include <gtest/gtest.h>

namespace tambo {
namespace {

TEST(XmlSize, is_that_of_what_is_written) {
    for (const std::string_view xml : {
             "<presence/>",
             "<message to='a@b/&apos;' id='&lt;&quot;&#10;' type='chat' xml:lang='de'><body>&amp;</body></message>",
             "<iq xmlns:p='urn:p' p:a='1' type='get'><x xmlns='urn:x'/></iq>",
             "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
             "<r xmlns='urn:xmpp:sm:3'/>",
         }) {
        auto stanza = Stanza::parse(xml);
        ASSERT_TRUE(stanza) << xml;
        EXPECT_EQ(xml_size(*stanza), stanza->str().size()) << xml;
        EXPECT_EQ(xml_size(stanza->tape()), xml.size()) << xml;
        if (stanza->kind() == Stanza::Kind::other) continue;
        stanza->set_from(*Jid::parse("romeo@montague.lit/o'clock"));
        stanza->append("<more/>");
        EXPECT_EQ(xml_size(*stanza), stanza->str().size()) << xml;
    }
}

}   // namespace
}   // namespace tambo
