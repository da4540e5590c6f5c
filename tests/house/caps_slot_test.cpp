// XEP-0115: what other modules find in a session's slot "caps", whoever was asked and whatever was swapped meanwhile.
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace {

const std::string hash = "QgayPKawpkPSDYmwT/WM94uAlu0=";
const std::string exodus =
    "<identity category='client' name='Exodus 0.9.1' type='pc'/>"
    "<feature var='http://jabber.org/protocol/caps'/>"
    "<feature var='http://jabber.org/protocol/disco#info'/>"
    "<feature var='http://jabber.org/protocol/disco#items'/>"
    "<feature var='http://jabber.org/protocol/muc'/>";
const std::string exodus_lines =
    "identity=client/pc//Exodus 0.9.1\nfeature=http://jabber.org/protocol/caps\n"
    "feature=http://jabber.org/protocol/disco#info\n"
    "feature=http://jabber.org/protocol/disco#items\n"
    "feature=http://jabber.org/protocol/muc\n";

class CapsSlot : public testing::Test {
protected:
    CapsSlot() {
        play::Cast cast;
        cast.modules = play::all_modules();
        cast.modules.emplace_back("caps_witness");
        cast.folders = {std::filesystem::path{TAMBO_BINARY_DIR "/witnesses"}};
        stage = play::in_process(cast);
        for (auto* client : {&romeo, &juliet}) {
            stage->add_user(client->user(), "secret");
            play::Wishes silent;
            silent.presence = false;
            client->connect(stage->connect(), silent);
        }
    }

    static void announce(play::Client& who, const std::string& algorithm, const std::string& ver) {
        who.send("<presence><c xmlns='http://jabber.org/protocol/caps' hash='" + algorithm +
                 "' node='urn:example:client' ver='" + ver + "'/></presence>");
        who.sync();
    }
    /// The next stanza that is a question; what comes before it is the client's own presence.
    static std::string question(play::Client& who) {
        for (auto stanza = who.receive();; stanza = who.receive())
            if (stanza.name == "iq") return *stanza.attribute("id");
    }
    static void answer(play::Client& who, const std::string& id, const std::string& content) {
        who.send("<iq type='result' to='localhost' id='" + id +
                 "'><query xmlns='http://jabber.org/protocol/disco#info'>" + content + "</query></iq>");
        who.sync();
    }
    std::string slot(play::Client& who) {
        stage->settle();
        who.ignore("presence");
        who.send("<iq type='get' to='localhost' id='slot'><query xmlns='urn:tambo:test:caps'/></iq>");
        return who.receive().child("query")->text;
    }
    static std::string expected(const std::string& state, const std::string& algorithm, const std::string& ver,
                                const std::string& lines) {
        return state + "\n" + algorithm + " " + ver + " urn:example:client\n" + lines;
    }
    /// §6.3: what the server announces of itself to who has logged in.
    std::string servers_ver() {
        const std::string header =
            "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>";
        const auto wire = stage->connect();
        const auto say = [&](const std::string& words, std::string_view until) {
            std::string answer;
            wire->write(words);
            while (answer.find(until) == std::string::npos) answer += wire->read(play::Client::patience);
            return answer;
        };
        say(header, "</stream:features>");
        say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>", "<success");
        const auto features = say(header, "</stream:features>");
        const auto begin = features.find(" ver=", features.find("http://jabber.org/protocol/caps"));
        return begin == std::string::npos ? "" : features.substr(begin, features.find('>', begin) - begin);
    }
    void swap() { ASSERT_TRUE(stage->server()->reload("caps").done); }

    std::unique_ptr<play::Stage> stage;
    play::Client romeo{"romeo", "romeo", "localhost"}, juliet{"juliet", "juliet", "localhost"};
};

TEST_F(CapsSlot, says_what_the_hash_proves) {
    EXPECT_EQ(slot(romeo), "nothing");
    announce(romeo, "sha-1", hash);
    const auto id = question(romeo);
    EXPECT_EQ(slot(romeo), expected("waiting", "sha-1", hash, ""));
    answer(romeo, id, exodus);
    EXPECT_EQ(slot(romeo), expected("verified", "sha-1", hash, exodus_lines));
}

TEST_F(CapsSlot, is_filled_without_a_question_once_anybody_has_answered_whatever_was_swapped) {
    announce(romeo, "sha-1", hash);
    answer(romeo, question(romeo), exodus);
    swap();
    announce(juliet, "sha-1", hash);
    EXPECT_EQ(slot(juliet), expected("verified", "sha-1", hash, exodus_lines)) << "from the store";
    EXPECT_EQ(slot(romeo), expected("verified", "sha-1", hash, exodus_lines));
}

TEST_F(CapsSlot, is_filled_by_an_answer_to_a_question_of_the_version_before) {
    announce(romeo, "sha-1", hash);
    const auto id = question(romeo);
    swap();
    answer(romeo, id, exodus);
    EXPECT_EQ(slot(romeo), expected("verified", "sha-1", hash, exodus_lines));
}

TEST_F(CapsSlot, keeps_a_lie_with_the_liar) {
    announce(romeo, "sha-1", hash);
    answer(romeo, question(romeo), "<feature var='urn:example:everything'/>");
    EXPECT_EQ(slot(romeo), expected("claimed", "sha-1", hash, "feature=urn:example:everything\n"));
    announce(juliet, "sha-1", hash);
    answer(juliet, question(juliet), exodus);
    EXPECT_EQ(slot(juliet), expected("verified", "sha-1", hash, exodus_lines));
}

TEST_F(CapsSlot, says_so_where_nothing_can_be_known) {
    announce(romeo, "sha-1", hash);
    const auto twice = "<feature var='urn:x'/><feature var='urn:x'/>";
    answer(romeo, question(romeo), twice);
    EXPECT_EQ(slot(romeo), expected("unknown", "sha-1", hash, ""));
}

TEST_F(CapsSlot, holds_what_was_announced_last_although_one_question_is_open) {
    announce(romeo, "sha-1", "b25l");
    const auto first = question(romeo);
    announce(romeo, "sha-1", hash);
    EXPECT_EQ(slot(romeo), expected("waiting", "sha-1", hash, "")) << "and nothing is asked before the first answer";
    answer(romeo, first, "<feature var='urn:example:old'/>");
    answer(romeo, question(romeo), exodus);
    EXPECT_EQ(slot(romeo), expected("verified", "sha-1", hash, exodus_lines));
}

TEST_F(CapsSlot, the_servers_own_hash_follows_its_modules) {
    const auto before = servers_ver();
    EXPECT_NE(before, "");
    EXPECT_EQ(servers_ver(), before);
    ASSERT_TRUE(stage->server()->unload("time").done);
    const auto without = servers_ver();
    EXPECT_NE(without, "");
    EXPECT_NE(without, before);
    ASSERT_TRUE(stage->server()->load("time").done);
    EXPECT_EQ(servers_ver(), before);
}

}   // namespace
