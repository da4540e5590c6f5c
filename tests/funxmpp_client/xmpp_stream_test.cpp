#include "xmpp_stream.hpp"

#include <gtest/gtest.h>

namespace {

using namespace tambo;
using namespace tambo::funxmpp;
using Kind = Came::Kind;

constexpr std::string_view message =
    "<message to='romeo@montague.lit' type='chat'><body>a &gt; b</body><x xmlns='urn:x'/></message>";

const std::vector<std::optional<Dialect>> all_wires{std::nullopt, Dialect::classic, Dialect::page};

std::string conversation(XmppStream& sender) {
    std::string out;
    sender.write_header(out, {.id = {}, .from = {}, .to = "montague.lit"});
    EXPECT_TRUE(sender.write(out, message));
    sender.write_keepalive(out);
    EXPECT_TRUE(sender.write(out, "<r xmlns='urn:xmpp:sm:3'/>"));
    sender.write_footer(out);
    return out;
}

}   // namespace

TEST(XmppStream, reads_what_it_wrote_wherever_the_socket_cuts) {
    for (const auto wire : all_wires) {
        XmppStream sender{wire};
        const auto bytes = conversation(sender);
        for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
            XmppStream receiver{wire};
            Tape tape;
            std::string xml;
            std::vector<Kind> kinds;
            std::vector<std::string> elements;
            for (const auto& part : {bytes.substr(0, cut), bytes.substr(cut)}) {
                receiver.feed(part);
                for (auto came = receiver.next(tape, xml); came.kind != Kind::nothing;
                     came = receiver.next(tape, xml)) {
                    kinds.push_back(came.kind);
                    if (came.kind == Kind::element) elements.push_back(xml);
                    ASSERT_NE(came.kind, Kind::refused) << came.why << " cut at " << cut;
                }
            }
            EXPECT_EQ(kinds, (std::vector{Kind::header, Kind::element, Kind::element, Kind::footer})) << cut;
            ASSERT_EQ(elements.size(), 2U);
            EXPECT_EQ(elements[0], message);
            EXPECT_EQ(receiver.in().bytes, bytes.size());
            EXPECT_EQ(sender.out().bytes, bytes.size());
            EXPECT_EQ(sender.out().xml, receiver.in().xml);
        }
    }
}

TEST(XmppStream, refuses_what_is_longer_than_its_bounds_before_it_is_whole) {
    XmppStream stream{std::nullopt, {.element = 1000, .nodes = 100}};
    Tape tape;
    std::string xml;
    stream.feed(
        "<?xml version='1.0'?><stream:stream to='x' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>");
    ASSERT_EQ(stream.next(tape, xml).kind, Kind::header);
    stream.feed("<message><body>" + std::string(2000, 'a'));
    EXPECT_EQ(stream.next(tape, xml).kind, Kind::refused);

    XmppStream binary{Dialect::page, {.element = 1000, .nodes = 100}};
    binary.feed(std::string{"\x0f\xff\xff", 3});
    EXPECT_EQ(binary.next(tape, xml).kind, Kind::refused);
}

TEST(XmppStream, makes_stanzas_independent_of_what_the_header_declared) {
    XmppStream stream{std::nullopt};
    Tape tape;
    std::string xml;
    stream.feed(
        "<stream:stream to='x' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
        "xmlns:q='urn:q'><message to='a@b'><q:thing/></message>");
    ASSERT_EQ(stream.next(tape, xml).kind, Kind::header);
    ASSERT_EQ(stream.next(tape, xml).kind, Kind::element);
    EXPECT_TRUE(parse_xml(xml)) << xml;
    EXPECT_TRUE((Element{tape, 0}.child("thing", "urn:q"))) << xml;
}

TEST(XmppStream, a_restart_forgets_the_slots_of_both_directions) {
    XmppStream sender{Dialect::page}, receiver{Dialect::page};
    Tape tape;
    std::string xml, first, second;
    ASSERT_TRUE(sender.write(first, message));
    sender.restart();
    ASSERT_TRUE(sender.write(second, message));
    EXPECT_EQ(first, second);
    receiver.feed(first);
    ASSERT_EQ(receiver.next(tape, xml).kind, Kind::element);
    receiver.restart();
    receiver.feed(second);
    ASSERT_EQ(receiver.next(tape, xml).kind, Kind::element);
    EXPECT_EQ(xml, message);
}
