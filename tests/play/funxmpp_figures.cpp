// What FunXMPP saves, as the operator sees it: for each session, and for each codec.
#include <algorithm>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "client.hpp"
#include "framing.hpp"
#include "funxmpp_wire.hpp"
#include "stage.hpp"

namespace {

using tambo::funxmpp::Dialect;

class FunXmppFigures : public testing::Test {
protected:
    FunXmppFigures() {
        for (const auto* user : {"romeo", "juliet"}) stage->add_user(user, "secret");
        auto owned =
            std::make_unique<play::FunXmppWire>(stage->connect(), Dialect::page, play::FunXmppWire::Entry::direct);
        wire = owned.get();
        romeo.connect(std::move(owned), {});
        juliet.connect(stage->connect(), {});
    }
    tambo::SessionInfo session(const std::string& jid) const {
        stage->settle();
        return stage->server()->sessions(jid).at(0);
    }
    tambo::Stats::Wire codec(const std::string& name) const {
        stage->settle();
        const auto wires = stage->server()->stats().wires;
        const auto at = std::ranges::find(wires, name, &tambo::Stats::Wire::codec);
        return at != wires.end() ? *at : tambo::Stats::Wire{};
    }
    std::unique_ptr<play::Stage> stage = play::in_process({});
    play::Client romeo{"romeo", "r", "localhost"};
    play::Client juliet{"juliet", "j", "localhost"};
    play::FunXmppWire* wire = nullptr;
};

TEST_F(FunXmppFigures, what_comes_in_is_measured_against_the_same_stanza_in_xml) {
    const std::string xml = "<message to='juliet@localhost' id='&lt;1' type='chat'><body>a &amp; b</body></message>";
    const auto before = session("romeo@localhost/r");
    const auto all_before = codec("funxmpp-page");
    const auto frame = wire->frame(xml);
    wire->write_raw(frame);
    ASSERT_EQ(juliet.receive().name, "message");
    const auto after = session("romeo@localhost/r");
    const auto less = static_cast<std::int64_t>(xml.size()) - static_cast<std::int64_t>(frame.size());
    EXPECT_EQ(after.codec, "funxmpp-page");
    EXPECT_EQ(after.traffic.bytes_in - before.traffic.bytes_in, frame.size());
    EXPECT_EQ(after.traffic.bytes_saved - before.traffic.bytes_saved, less);
    EXPECT_EQ(codec("funxmpp-page").saved_in - all_before.saved_in, less);
    EXPECT_EQ(codec("funxmpp-page").saved_out, all_before.saved_out);
}

TEST_F(FunXmppFigures, what_goes_out_is_measured_against_what_an_xml_client_would_get) {
    const auto before = session("romeo@localhost/r");
    const auto all_before = codec("funxmpp-page");
    juliet.send("<message to='romeo@localhost/r' id='1' type='chat'><body>good night, good night</body></message>");
    ASSERT_EQ(romeo.receive().name, "message");
    const std::string xml =
        "<message from='juliet@localhost/j' to='romeo@localhost/r' id='1' type='chat' xml:lang='en'>"
        "<body>good night, good night</body></message>";
    const auto after = session("romeo@localhost/r");
    const auto bytes = after.traffic.bytes_out - before.traffic.bytes_out;
    const auto less = static_cast<std::int64_t>(xml.size()) - static_cast<std::int64_t>(bytes);
    EXPECT_EQ(after.traffic.bytes_saved - before.traffic.bytes_saved, less);
    EXPECT_EQ(codec("funxmpp-page").saved_out - all_before.saved_out, less);
}

TEST_F(FunXmppFigures, the_first_bytes_count_as_what_they_turn_out_to_be) {
    const auto xml_before = codec("xml").bytes_in;
    const auto page_before = codec("funxmpp-page").bytes_in;
    const auto connection = stage->connect();
    const auto prologue = tambo::funxmpp::prologue(Dialect::page);
    connection->write(prologue.substr(0, 1));
    EXPECT_EQ(codec("xml").bytes_in, xml_before + 1) << "it is not known yet";
    connection->write(prologue.substr(1));
    EXPECT_EQ(codec("xml").bytes_in, xml_before);
    EXPECT_EQ(codec("funxmpp-page").bytes_in, page_before + prologue.size());
}

TEST_F(FunXmppFigures, xml_saves_nothing) {
    juliet.send("<message to='romeo@localhost/r'><body>parting is such sweet sorrow</body></message>");
    ASSERT_EQ(romeo.receive().name, "message");
    EXPECT_EQ(session("juliet@localhost/j").traffic.bytes_saved, 0);
    EXPECT_EQ(codec("xml").saved_in, 0);
    EXPECT_EQ(codec("xml").saved_out, 0);
    EXPECT_GT(codec("xml").bytes_out, 0U);
}

}   // namespace
