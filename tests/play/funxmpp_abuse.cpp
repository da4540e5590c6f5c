// What hostile clients send over a real socket gets the stream error that man/funxmpp.md names, and costs nobody else
// anything.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "../funxmpp/vectors.hpp"
#include "client.hpp"
#include "framing.hpp"
#include "funxmpp_wire.hpp"
#include "stage.hpp"

namespace {

using tambo::funxmpp::Dialect;
using Entry = play::FunXmppWire::Entry;
using namespace std::string_literals;

constexpr play::Wishes silent{.priority = {}, .presence = false, .roster = false, .stream_management = false};

std::string framed(const std::string& payload) {
    std::string out;
    const auto opened = tambo::funxmpp::open_frame(out);
    out += payload;
    EXPECT_TRUE(tambo::funxmpp::close_frame(out, opened, Dialect::classic, payload.size()));
    return out;
}

/// A client that begins well.
struct Abram {
    Abram(play::Stage& stage, Dialect dialect, bool logs_in = true) {
        auto owned = std::make_unique<play::FunXmppWire>(stage.connect(), dialect, Entry::direct);
        wire = owned.get();
        if (logs_in)
            client.connect(std::move(owned), silent);
        else
            client.open(std::move(owned));
    }
    std::string answer_to(const std::string& bytes) {
        wire->write_raw(bytes);
        client.await_end();
        const auto* error = client.stream_error();
        return error != nullptr && !error->children.empty() ? error->children.front().name : "no stream error";
    }
    play::Client client{"abram", "a", "localhost"};
    play::FunXmppWire* wire = nullptr;
};

class FunXmppAbuse : public testing::Test {
protected:
    FunXmppAbuse() {
        for (const auto* user : {"romeo", "juliet", "abram"}) stage->add_user(user, "secret");
        romeo.connect(std::make_unique<play::FunXmppWire>(stage->connect(), Dialect::page, Entry::direct), silent);
        juliet.connect(stage->connect(), silent);
    }
    /// Those who have done nothing.
    void expect_that_others_talk_on() {
        const auto says = [&](play::Client& from, play::Client& to) {
            from.send("<message to='" + to.jid() + "'><body>all well</body></message>");
            EXPECT_EQ(to.receive().child("body")->text, "all well");
        };
        says(romeo, juliet);
        says(juliet, romeo);
    }
    std::unique_ptr<play::Stage> stage = play::over_tcp({});
    play::Client romeo{"romeo", "r", "localhost"};
    play::Client juliet{"juliet", "j", "localhost"};
};

std::string expected(const tambo::funxmpp::json::object& vector, const char* key) {
    return tambo::funxmpp::text_of(vector.at("expect").as_object(), key);
}

TEST_F(FunXmppAbuse, malformed_payloads_get_the_error_of_their_vector) {
    for (const auto& each : tambo::funxmpp::vectors().at("malformed").as_array()) {
        const auto& vector = each.as_object();
        const auto code = expected(vector, "error");
        if (code.empty()) continue;   // what only says that more has to come
        const bool is_payload = code != "BAD_FRAME_FLAGS" && code != "BAD_PROLOGUE" && code != "FRAME_TOO_LARGE";
        const auto payload = tambo::funxmpp::bytes_of(vector);
        // An empty payload keeps a connection alive.
        if (!is_payload || payload.empty() || tambo::funxmpp::text_of(vector, "dictionary") != "classic") continue;
        for (const bool logs_in : {true, false}) {
            if (!logs_in && payload.size() > 10'000) continue;   // then its size is what is wrong with it
            Abram abram{*stage, Dialect::classic, logs_in};
            EXPECT_EQ(abram.answer_to(framed(payload)), expected(vector, "stream_error"))
                << tambo::funxmpp::text_of(vector, "id") << ' ' << code << (logs_in ? "" : ", before logging in");
        }
    }
    expect_that_others_talk_on();
}

/// What fills the slots that the vector is about. False if it is no message, and ends the stream by itself.
bool send_what_comes_before(Abram& abram, const tambo::funxmpp::json::object& vector) {
    const auto* before = vector.if_contains("before");
    if (before == nullptr) return true;
    for (const auto& hex : before->as_array()) {
        const auto payload = tambo::funxmpp::from_hex(hex.as_string()).value();
        if (!payload.starts_with("\xf8\x03Y")) return false;
        abram.wire->write_raw(framed(payload));
    }
    return true;
}

TEST_F(FunXmppAbuse, what_is_wrong_with_slots_costs_the_stream) {
    const auto page = tambo::funxmpp::read_json("funxmpp-page-vectors.json");
    for (const auto& each : page.at("malformed").as_array()) {
        const auto& vector = each.as_object();
        Abram abram{*stage, Dialect::page};
        if (!send_what_comes_before(abram, vector)) continue;
        EXPECT_EQ(abram.answer_to(framed(tambo::funxmpp::bytes_of(vector))), expected(vector, "stream_error"))
            << tambo::funxmpp::text_of(vector, "id");
    }
    expect_that_others_talk_on();
}

TEST_F(FunXmppAbuse, bad_frames_are_refused_by_their_header) {
    EXPECT_EQ((Abram{*stage, Dialect::classic}.answer_to("\x80"s)), "not-well-formed");
    EXPECT_EQ((Abram{*stage, Dialect::classic}.answer_to("\x0f\xff\xff"s)), "policy-violation");
    EXPECT_EQ((Abram{*stage, Dialect::classic, false}.answer_to("\x00\xff\xff"s)), "policy-violation")
        << "less is taken from strangers";
    expect_that_others_talk_on();
}

TEST_F(FunXmppAbuse, a_second_stream_and_a_stanza_before_the_first_are_refused) {
    Abram abram{*stage, Dialect::classic};
    EXPECT_EQ(abram.answer_to(framed("\xf8\x01\x01"s)), "invalid-xml");
    play::FunXmppWire early{stage->connect(), Dialect::classic, Entry::direct};
    early.write_raw("WA\x01\x05"s + early.frame("<presence/>"));
    EXPECT_NE(early.read(play::Client::patience).find("bad-format"), std::string::npos);
    expect_that_others_talk_on();
}

/// All that comes, as it comes.
std::string everything(play::Wire& wire) {
    std::string all;
    for (auto bytes = wire.read(play::Client::patience); !bytes.empty(); bytes = wire.read(play::Client::patience))
        all += bytes;
    return all;
}

std::string answer_to_opening(play::Stage& stage, const std::string& bytes) {
    const auto wire = stage.connect();
    wire->write(bytes);
    return everything(*wire);
}

/// The same, by somebody who speaks it.
std::string understood_answer(std::unique_ptr<play::Wire> below, Dialect dialect) {
    play::FunXmppWire wire{std::move(below), dialect, Entry::direct};
    wire.write_raw(tambo::funxmpp::prologue(dialect));
    return everything(wire);
}

TEST_F(FunXmppAbuse, an_unknown_prologue_gets_unsupported_version_and_nonsense_an_answer_in_xml) {
    for (const auto& prologue : {"WA\x01\x06"s, "WA\x06\x03"s, "WAt\x02"s}) {
        const auto answer = answer_to_opening(*stage, prologue);
        EXPECT_NE(answer.find("unsupported-version"), std::string::npos) << answer;
        EXPECT_EQ(answer.find('<'), std::string::npos) << "it is FunXMPP";
    }
    for (const auto& nonsense : {"WX"s, "GET / HTTP/1.1\r\n"s, "\x01\x02"s}) {
        const auto answer = answer_to_opening(*stage, nonsense);
        EXPECT_NE(answer.find("<stream:error>"), std::string::npos) << answer;
    }
    expect_that_others_talk_on();
}

TEST(FunXmppSizes, what_fits_into_no_frame_ends_the_stream_that_cannot_say_it_and_no_other) {
    const auto stage = play::in_process({.settings = {{"limits", "stanza_bytes", "4M"}}});
    for (const auto* user : {"romeo", "juliet"}) stage->add_user(user, "secret");
    play::Client romeo{"romeo", "r", "localhost"};
    play::Client juliet{"juliet", "j", "localhost"};
    romeo.connect(std::make_unique<play::FunXmppWire>(stage->connect(), Dialect::page, Entry::direct), silent);
    juliet.connect(stage->connect(), silent);
    const auto says = [&](std::size_t bytes) {
        juliet.send("<message to='romeo@localhost/r'><body>" + std::string(bytes, '!') + "</body></message>");
    };
    constexpr std::size_t frame = std::size_t{1} << 20;   // what its header's twenty bits can count
    says(frame - 200);
    EXPECT_EQ(romeo.receive().child("body")->text.size(), frame - 200);
    says(frame);
    romeo.await_end();
    ASSERT_NE(romeo.stream_error(), nullptr);
    EXPECT_EQ(romeo.stream_error()->children.at(0).name, "policy-violation");
    juliet.send("<message to='juliet@localhost/j'><body>all well</body></message>");
    while (juliet.receive().child("body") == nullptr) {   // what came back to her, first
    }
}

// 59 is "message", a5 "to", 12 "body". Who reads this has nothing in slot 3f.
TEST(FunXmppContent, says_the_same_to_others_whatever_it_is_written_with) {
    const auto stage = play::in_process({.threads = 1});   // content goes on as it came, where both are on one shard
    for (const auto* user : {"romeo", "juliet", "abram"}) stage->add_user(user, "secret");
    play::Client romeo{"romeo", "r", "localhost"}, juliet{"juliet", "j", "localhost"};
    romeo.connect(std::make_unique<play::FunXmppWire>(stage->connect(), Dialect::page, Entry::direct), silent);
    juliet.connect(stage->connect(), silent);
    Abram abram{*stage, Dialect::page};
    const auto literal = [](std::string_view text) {
        return "\xfc"s + static_cast<char>(text.size()) + std::string{text};
    };
    const auto say = [&](play::Client& to, const std::string& body) {
        abram.wire->write_raw(framed("\xf8\x04\x59\xa5\xef\x3f" + literal(to.jid()) + "\xf8\x01\xf8\x02" + body));
        return to.receive().child("body")->text;
    };
    for (auto* to : {&romeo, &juliet}) {
        EXPECT_EQ(say(*to, "\x12\xee\x3f"), to->jid()) << "takes a slot";
        EXPECT_EQ(say(*to, literal("body") + literal("good & well")), "good & well") << "no token where there is one";
        EXPECT_EQ(say(*to, "\x12\xff\x02\x12\x34"), "1234") << "packed";
    }
}

TEST(FunXmppPolicy, nobody_begins_in_binary_without_tls_where_plaintext_is_not_allowed) {
    const auto stage = play::in_process({});   // its listener has STARTTLS, and nothing in the clear
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(stage->server()->port("c2s"));
    const auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const auto answer = understood_answer(std::make_unique<play::SocketWire>(fd), Dialect::page);
    EXPECT_NE(answer.find("policy-violation"), std::string::npos) << answer;
}

TEST(FunXmppPolicy, what_the_operator_switched_off_is_not_there) {
    const auto stage = play::over_tcp({{"module funxmpp", "direct", "false"}, {"module funxmpp", "page", "false"}});
    const auto answer = understood_answer(stage->connect(), Dialect::classic);
    EXPECT_NE(answer.find("policy-violation"), std::string::npos) << answer;
    EXPECT_NE(answer_to_opening(*stage, "WAt\x01"s).find("unsupported-version"), std::string::npos);
    stage->add_user("abram", "secret");
    play::Client abram{"abram", "a", "localhost"};
    abram.open(stage->connect());
    abram.receive();
    abram.log_in("secret");
    const auto features = abram.receive();
    ASSERT_NE(features.child("compression"), nullptr);
    EXPECT_EQ(features.child("compression")->children.size(), 1U);
    const auto asks = [&](const std::string& compress) {
        abram.send("<compress xmlns='http://jabber.org/protocol/compress'>" + compress + "</compress>");
        const auto answer = abram.receive();
        return answer.children.empty() ? answer.name : answer.children.front().name;
    };
    EXPECT_EQ(asks("<method>funxmpp-page:1</method>"), "unsupported-method");
    EXPECT_EQ(asks("<method>zlib</method>"), "unsupported-method");
    EXPECT_EQ(asks(""), "setup-failed");
    EXPECT_EQ(asks("<method>funxmpp</method>"), "compressed");
}

}   // namespace
