// The codec of a stream is swapped, and taken away, while the stream is spoken.
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "client.hpp"
#include "company.hpp"
#include "funxmpp_wire.hpp"
#include "runner.hpp"

namespace {

using tambo::funxmpp::Dialect;
using Entry = play::FunXmppWire::Entry;

constexpr Dialect both[] = {Dialect::classic, Dialect::page};

void swap(play::Stage& stage, const std::string& module = "funxmpp") {
    const auto report = stage.server()->reload(module);
    ASSERT_TRUE(report.done) << module << " was not swapped: " << report.step << ": " << report.reason;
}

struct Pair {
    explicit Pair(Dialect dialect) : dialect(dialect) {
        stage->add_user("romeo", "secret");
        stage->add_user("juliet", "secret");
    }
    std::unique_ptr<play::FunXmppWire> wire(Entry entry = Entry::direct) {
        return std::make_unique<play::FunXmppWire>(stage->connect(), dialect, entry);
    }
    void connect() {
        auto juliets = wire();
        juliets_wire = juliets.get();
        romeo.connect(wire(), {});
        juliet.connect(std::move(juliets), {});
    }

    Dialect dialect;
    std::unique_ptr<play::Stage> stage = play::in_process({});
    play::Client romeo{"romeo", "r", "localhost"};
    play::Client juliet{"juliet", "j", "localhost"};
    play::FunXmppWire* juliets_wire = nullptr;
};

std::string body(const play::Node& message) {
    const auto* found = message.child("body");
    return found != nullptr ? found->text : "";
}

TEST(FunXmppSwaps, a_frame_cut_at_any_byte_survives_one) {
    for (const auto dialect : both) {
        Pair pair{dialect};
        pair.connect();
        for (std::size_t cut = 0, size = 1; cut <= size; ++cut) {
            const auto frame =
                pair.juliets_wire->frame("<message to='romeo@localhost' from='juliet@localhost/j' id='m" +
                                         std::to_string(cut) + "'><body>a &amp; b</body></message>");
            size = frame.size();
            pair.juliets_wire->write_raw(frame.substr(0, cut));
            pair.stage->settle();
            swap(*pair.stage);
            pair.juliets_wire->write_raw(frame.substr(std::min(cut, size)));
            const auto arrived = pair.romeo.receive();
            ASSERT_EQ(body(arrived), "a & b") << "cut at " << cut;
            ASSERT_EQ(*arrived.attribute("id"), "m" + std::to_string(cut));
        }
    }
}

/// Between any two words of a negotiation, one step further each time.
void negotiate(Pair& pair, play::Client& client, Entry entry, const std::function<void()>& between) {
    auto owned = pair.wire(entry);
    auto& wire = *owned;
    client.open(std::move(owned));
    const auto features = [&] { ASSERT_EQ(client.receive().name, "features"); };
    features();
    between();
    client.log_in("secret");
    between();
    features();
    if (entry == Entry::feature) {
        client.send("<compress xmlns='http://jabber.org/protocol/compress'><method>" + wire.compression() +
                    "</method></compress>");
        pair.stage->settle();
        between();
        ASSERT_EQ(client.receive().name, "compressed");
        wire.compressed();
        between();
        client.restart();
        between();
        features();
    }
    between();
    client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    pair.stage->settle();
    between();
    ASSERT_EQ(*client.receive().attribute("type"), "result");
    client.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    between();
    ASSERT_EQ(client.receive().name, "enabled");
    client.send("<message to='romeo@localhost'><body>here I am</body></message>");
    between();
}

TEST(FunXmppSwaps, a_negotiation_goes_on_in_every_phase) {
    for (const std::string module : {"funxmpp", "sasl", "bind", "stream_management"}) {
        for (const auto dialect : both) {
            for (const auto entry : {Entry::direct, Entry::feature}) {
                Pair pair{dialect};
                pair.romeo.connect(pair.wire(), {});
                int swaps = 0;
                negotiate(pair, pair.juliet, entry, [&] {
                    swap(*pair.stage, module);
                    ++swaps;
                });
                ASSERT_FALSE(testing::Test::HasFatalFailure()) << module << " after " << swaps << " swaps";
                EXPECT_EQ(body(pair.romeo.receive()), "here I am");
                EXPECT_GE(swaps, 6);
            }
        }
    }
}

TEST(FunXmppSwaps, streams_whose_codec_goes_for_good_end_with_reset_and_nobody_elses_do) {
    for (const auto dialect : both) {
        Pair pair{dialect};
        pair.romeo.connect(pair.stage->connect(), {});
        pair.juliet.connect(pair.wire(), {});
        const auto report = pair.stage->server()->unload("funxmpp");
        ASSERT_TRUE(report.done) << report.reason;
        EXPECT_TRUE(report.unmapped) << "the image is not needed for what is still to be written";
        pair.juliet.await_end();
        ASSERT_NE(pair.juliet.stream_error(), nullptr);
        EXPECT_NE(pair.juliet.stream_error()->child("reset"), nullptr) << pair.juliet.stream_error()->str();
        pair.romeo.sync();
        EXPECT_TRUE(pair.romeo.is_connected());
        pair.juliet.connect(pair.stage->connect(), {});
        pair.juliet.send("<message to='romeo@localhost'><body>in XML, then</body></message>");
        pair.romeo.ignore("presence");
        EXPECT_EQ(body(pair.romeo.receive()), "in XML, then");
    }
}

void register_plays() {
    using play::Tongue;
    const std::vector<Tongue> tongues{Tongue::page, Tongue::xml, Tongue::page_by_feature, Tongue::classic};
    for (const auto& script : play::read_scripts(TAMBO_SOURCE_DIR "/tests/play")) {
        if (script.name() == "stream_errors") continue;   // says what only XML can say
        play::register_test("swapping_what_is_spoken", script.name(), script, [script, tongues] {
            const auto stage_for = [&](const play::Script& s) {
                play::Cast cast;
                cast.settings = play::settings(s);
                return play::in_tongues(play::in_process(cast), tongues);
            };
            play::perform_as_test(script, stage_for, [](play::Stage& stage, const play::Line&) { swap(stage); });
        });
    }
}

}   // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    register_plays();
    return RUN_ALL_TESTS();
}
