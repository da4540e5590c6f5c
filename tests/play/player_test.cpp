// The player is a judge, so somebody has to judge the player.
#include "player.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

#include "pattern.hpp"
#include "script.hpp"

namespace {

using namespace play;

Node arrived(std::string_view xml) {
    StreamReader reader;
    reader.feed("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
    reader.feed(xml);
    return reader.arrived().at(0);
}

std::string judge(std::string_view pattern, std::string_view xml) {
    Names names{{"Juliet", "juliet@localhost/balcony"}};
    return mismatch(read_pattern(expand(pattern, names)).at(0), arrived(xml), names);
}

TEST(Pattern, wants_what_it_names_and_allows_the_rest) {
    constexpr auto message =
        "<message from='juliet@localhost/balcony' id='7' type='chat'><body>Hi</body>"
        "<delay xmlns='urn:xmpp:delay' stamp='now'/></message>";
    EXPECT_EQ(judge("<message/>", message), "");
    EXPECT_EQ(judge("<message from='{Juliet}'><body>Hi</body></message>", message), "");
    EXPECT_EQ(judge("<message><delay {any}/><body>Hi</body></message>", message), "")
        << "the order of children is free";
    EXPECT_EQ(judge("<message><delay xmlns='urn:xmpp:delay'/></message>", message), "");
    EXPECT_NE(judge("<presence/>", message), "");
    EXPECT_NE(judge("<message type='normal'/>", message), "");
    EXPECT_NE(judge("<message to='romeo@localhost'/>", message), "") << "an attribute that did not come";
    EXPECT_NE(judge("<message><body>Ho</body></message>", message), "");
    EXPECT_NE(judge("<message><delay xmlns='jabber:x:delay'/></message>", message), "");
    EXPECT_NE(judge("<message><body>Hi</body><body>Hi</body></message>", message), "")
        << "one child can't stand for two";
}

TEST(Pattern, can_want_that_something_is_not_there) {
    EXPECT_EQ(judge("<message type='{none}'/>", "<message/>"), "");
    EXPECT_NE(judge("<message type='{none}'/>", "<message type='chat'/>"), "");
    EXPECT_EQ(judge("<message {only}><body>Hi</body></message>", "<message><body>Hi</body></message>"), "");
    EXPECT_NE(judge("<message {only}><body>Hi</body></message>", "<message><body>Hi</body><x xmlns='y'/></message>"),
              "");
}

TEST(Pattern, keeps_values_only_of_what_fits) {
    Names names;
    const auto pattern = read_pattern("<message id='{keep first}' type='chat'/>").at(0);
    EXPECT_NE(mismatch(pattern, arrived("<message id='1' type='normal'/>"), names), "");
    EXPECT_TRUE(names.empty());
    EXPECT_EQ(mismatch(pattern, arrived("<message id='2' type='chat'/>"), names), "");
    EXPECT_EQ(expand("<received id='{first}'/>", names), "<received id='2'/>");
}

TEST(Pattern, does_not_guess_names) {
    EXPECT_THROW(expand("<message to='{Rosaline}'/>", {}), std::runtime_error);
    EXPECT_THROW(expand("<message to='{Rosaline'/>", {}), std::runtime_error);
    EXPECT_THROW(read_pattern("<message {Rosaline}/>"), std::runtime_error);
    EXPECT_THROW(read_pattern("<message>"), std::runtime_error);
}

TEST(Script, is_read_line_by_line_with_what_hangs_below) {
    const auto script = parse_script(
        "# XEP-0000: a title\n\nJuliet sends: <message to='x:y'>\n    <body>a: b</body>\n"
        "    </message>\nRomeo receives nothing\ntime passes: 5m\n",
        "a/short.play");
    EXPECT_EQ(script.name(), "short");
    EXPECT_EQ(script.title, "XEP-0000: a title");
    ASSERT_EQ(script.lines.size(), 3U);
    EXPECT_EQ(script.lines[0].who, "Juliet");
    EXPECT_EQ(script.lines[0].what, "sends");
    EXPECT_EQ(script.lines[0].text, "<message to='x:y'>\n<body>a: b</body>\n</message>");
    EXPECT_EQ(script.lines[1].number, 6);
    EXPECT_EQ(script.lines[1].what, "receives nothing");
    EXPECT_TRUE(script.needs_clock());
}

TEST(Script, says_where_it_is_wrong) {
    try {
        parse_script("# title\n  <message/>\n", "bad.play");
        FAIL() << "was accepted";
    } catch (const std::runtime_error& e) {
        EXPECT_EQ(std::string{e.what()}, "bad.play:2: continues nothing");
    }
}

TEST(Script, says_what_the_server_must_have) {
    const auto script = parse_script("the server has: [module offline] max_messages = 2\n", "x.play");
    const auto wanted = settings(script);
    ASSERT_EQ(wanted.size(), 1U);
    EXPECT_EQ(wanted[0].section, "module offline");
    EXPECT_EQ(wanted[0].key, "max_messages");
    EXPECT_EQ(wanted[0].value, "2");
}

}   // namespace
