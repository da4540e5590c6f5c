#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <tambo/jid.hpp>

#include "route/jid_cache.hpp"
#include "route/text_hash.hpp"

namespace {

using namespace tambo;

std::string parsed(std::string_view text) {
    const auto jid = Jid::parse(text);
    return jid ? std::string{jid->text()} : "refused: " + jid.error().text;
}

bool is_refused(std::string_view text) {
    const auto jid = Jid::parse(text);
    return !jid && jid.error().condition == Condition::jid_malformed && !jid.error().text.empty();
}

struct Example {
    std::string_view raw, prepared;
};

// RFC 7622 §3.5, table 1.
TEST(Jid, takes_the_valid_examples_of_rfc_7622) {
    constexpr Example examples[] = {
        {"juliet@example.com", "juliet@example.com"},
        {"juliet@example.com/foo", "juliet@example.com/foo"},
        {"juliet@example.com/foo bar", "juliet@example.com/foo bar"},
        {"juliet@example.com/foo@bar", "juliet@example.com/foo@bar"},
        {"foo\\20bar@example.com", "foo\\20bar@example.com"},
        {"fussball@example.com", "fussball@example.com"},
        {"fu\u00DFball@example.com", "fu\u00DFball@example.com"},
        {"\u03C0@example.com", "\u03C0@example.com"},
        {"\u03A3@example.com/foo", "\u03C3@example.com/foo"},
        {"\u03C3@example.com/foo", "\u03C3@example.com/foo"},
        {"\u03C2@example.com/foo", "\u03C2@example.com/foo"},
        {"king@example.com/\u265A", "king@example.com/\u265A"},
        {"example.com", "example.com"},
        {"example.com/foobar", "example.com/foobar"},
        {"a.example.com/b@example.net", "a.example.com/b@example.net"},
    };
    for (const auto& [raw, prepared] : examples) EXPECT_EQ(parsed(raw), prepared);
}

// RFC 7622 §3.5, table 2.
TEST(Jid, refuses_the_invalid_examples_of_rfc_7622) {
    constexpr std::string_view examples[] = {
        "\"juliet\"@example.com",
        "foo bar@example.com",
        "juliet@example.com/ foo\x01",
        "@example.com/",
        "henry\u2163@example.com",
        "\u265A@example.com",
        "juliet@",
        "/foobar",
    };
    for (const auto text : examples) EXPECT_TRUE(is_refused(text)) << text;
}

TEST(Jid, refuses_what_is_no_address) {
    constexpr std::string_view texts[] = {
        "",
        "@",
        "/",
        "@@",
        "@@x",
        "a@@x",
        "@localhost",
        "romeo@localhost/",
        "romeo@/orchard",
        "romeo@",
        "a b@localhost",
        "a\tb@localhost",
        "a\u202Eb\uE000@localhost",
        "a\u202Eb@localhost",
        "a\uE000@localhost",
        "a&b@localhost",
        "a'b@localhost",
        "a:b@localhost",
        "a<b@localhost",
        "a>b@localhost",
        "romeo@localhost/a\u0085b",
        "romeo@localhost/a\u2028b",
        "romeo@localhost/a\uFFFEb",
        "romeo@localhost/\u200B",
        "romeo@localhost/a\nb",
        "romeo@localhost/a\x7F",
        "romeo@localhost/\U000E0001",
        "romeo@local host",
        "romeo@local_host",
        "romeo@-localhost",
        "romeo@localhost-",
        "romeo@a..b",
        "romeo@.",
        "romeo@.a",
        "romeo@a..",
        "romeo@a@b",
        "romeo@\u265A.example",
        "romeo@xn--",
        "romeo@xn--a-\u00FC",
        "romeo@[::1",
        "romeo@[::g]",
        "romeo@[]",
        "romeo@[fe80::1%eth0]",
        "romeo@[127.0.0.1]",
    };
    for (const auto text : texts) EXPECT_TRUE(is_refused(text)) << text << " became " << parsed(text);
    EXPECT_TRUE(is_refused(std::string_view{"a\0b@localhost", 13}));
    EXPECT_TRUE(is_refused(std::string_view{"[::1\0]", 6}));
}

TEST(Jid, refuses_what_is_not_utf_8) {
    constexpr std::string_view broken[] = {"\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\x80", "\xFF"};
    for (const auto bytes : broken) {
        EXPECT_TRUE(is_refused("a" + std::string{bytes} + "@localhost"));
        EXPECT_TRUE(is_refused("a@local" + std::string{bytes}));
        EXPECT_TRUE(is_refused("a@localhost/" + std::string{bytes}));
    }
}

TEST(Jid, keeps_each_part_to_1023_bytes_after_preparation) {
    const std::string whole(Jid::max_part_bytes, 'a'), over(Jid::max_part_bytes + 1, 'a');
    EXPECT_EQ(parsed(whole + "@localhost/" + whole), whole + "@localhost/" + whole);
    EXPECT_TRUE(is_refused(over + "@localhost"));
    EXPECT_TRUE(is_refused("a@localhost/" + over));
    EXPECT_TRUE(is_refused(std::string(30000, 'l') + "@localhost/" + std::string(60000, 'r')));
    std::string domain(50, 'd');
    while (domain.size() + 51 <= Jid::max_part_bytes) domain += "." + std::string(50, 'd');
    EXPECT_EQ(parsed(domain), domain);
    EXPECT_TRUE(is_refused(domain + "." + std::string(50, 'd')));
    EXPECT_TRUE(is_refused("a@" + std::string(64, 'd')));

    std::string fullwidth;   // three bytes each, one byte each once prepared
    for (std::size_t i = 0; i < Jid::max_part_bytes; ++i) fullwidth += "\uFF41";
    EXPECT_EQ(parsed(fullwidth + "@localhost"), whole + "@localhost");
    EXPECT_TRUE(is_refused(fullwidth + "\uFF41@localhost"));
}

TEST(Jid, folds_case_in_localpart_and_domain_but_not_in_the_resource) {
    EXPECT_EQ(parsed("Juliet@Capulet.LIT/Balcony"), "juliet@capulet.lit/Balcony");
    EXPECT_EQ(parsed("\u00C9mile@B\u00DCCHER.example/\u00C9"), "\u00E9mile@b\u00FCcher.example/\u00C9");
}

TEST(Jid, composes_and_maps_what_looks_the_same) {
    EXPECT_EQ(parsed("e\u0301mile@localhost/e\u0301"), "\u00E9mile@localhost/\u00E9");
    EXPECT_EQ(parsed("\uFF2Auliet@localhost"), "juliet@localhost");
    EXPECT_EQ(parsed("juliet@localhost/my\u00A0\u3000phone"), "juliet@localhost/my  phone");
    EXPECT_EQ(parsed("juliet@\uFF4Cocalhost"), "juliet@localhost");
    EXPECT_EQ(parsed("juliet@localhost/\uFF2A"), "juliet@localhost/\uFF2A") << "OpaqueString maps no width";
}

TEST(Jid, does_not_let_width_mapping_smuggle_separators) {
    EXPECT_TRUE(is_refused("a\uFF20b@localhost"));
    EXPECT_TRUE(is_refused("a\uFF0Fb@localhost"));
    EXPECT_TRUE(is_refused("a\u3000b@localhost"));
    EXPECT_TRUE(is_refused("a\uFF1Cb@localhost"));
}

// RFC 8264 §9.17: even letters, if they are only another look of others.
TEST(Jid, refuses_compatibility_characters_in_the_localpart_only) {
    for (const std::string text : {"\uFB00", "\u212B", "\u2126", "\u017F", "\u02B0"}) {
        EXPECT_TRUE(is_refused(text + "@localhost")) << text;
        EXPECT_FALSE(is_refused("a@localhost/" + text)) << text;
    }
}

TEST(Jid, refuses_what_unicode_has_not_assigned) {
    EXPECT_TRUE(is_refused("\u0378@localhost"));
    EXPECT_TRUE(is_refused("a@localhost/\u0378"));
}

TEST(Jid, knows_international_domains_in_both_spellings) {
    EXPECT_EQ(parsed("a@xn--bcher-kva.example"), "a@b\u00FCcher.example");
    EXPECT_EQ(parsed("a@XN--BCHER-KVA.example"), "a@b\u00FCcher.example");
    EXPECT_EQ(parsed("a@fa\u00DF.de"), "a@fa\u00DF.de") << "IDNA2008 keeps the sharp s";
    EXPECT_EQ(parsed("a@\u05D0\u05D1.example"), "a@\u05D0\u05D1.example");
    EXPECT_TRUE(is_refused("a@\u05D0b.example")) << "RFC 5893 §2";
    EXPECT_TRUE(is_refused("a@a\u200Db.example")) << "RFC 5892 Appendix A.2";
}

TEST(Jid, strips_one_final_dot_of_the_domain) {
    EXPECT_EQ(parsed("romeo@montague.lit./orchard"), "romeo@montague.lit/orchard");
    EXPECT_EQ(parsed("romeo@b\u00FCcher.example."), "romeo@b\u00FCcher.example");
    EXPECT_TRUE(is_refused("romeo@b\u00FCcher.example.."));
}

TEST(Jid, takes_ip_literals) {
    EXPECT_EQ(parsed("romeo@127.0.0.1/x"), "romeo@127.0.0.1/x");
    EXPECT_EQ(parsed("romeo@[2001:DB8:0::1]"), "romeo@[2001:db8::1]");
}

TEST(Jid, obeys_the_bidi_rule_in_the_localpart) {
    EXPECT_EQ(parsed("\u05D0\u05D1@localhost"), "\u05D0\u05D1@localhost");
    EXPECT_EQ(parsed("\u05D01@localhost"), "\u05D01@localhost");
    EXPECT_TRUE(is_refused("a\u05D0@localhost"));
    EXPECT_TRUE(is_refused("\u05D0a@localhost"));
    EXPECT_TRUE(is_refused("1\u05D0@localhost"));
    EXPECT_TRUE(is_refused("\u05D0-@localhost"));
    EXPECT_TRUE(is_refused("\u06271\u0661@localhost")) << "European and Arabic numbers do not mix";
    EXPECT_EQ(parsed("a@localhost/a\u05D0"), "a@localhost/a\u05D0") << "a resource has no direction";
}

// RFC 5892 Appendix A.
TEST(Jid, allows_contextual_characters_only_in_their_context) {
    constexpr std::string_view fine[] = {"l\u00B7l",          "\u0375\u03B1", "\u05D0\u05F3",
                                         "\u30FB\u30A2",      "\u0627\u0661", "\u0915\u094D\u200D\u0937",
                                         "\u0628\u200C\u0628"};
    constexpr std::string_view bad[] = {"a\u00B7l", "\u0375a",  "\u05F3\u05D0", "a\u30FBb", "\u0627\u0661\u06F1",
                                        "a\u200Db", "a\u200Cb", "\u200C",       "l\u00B7"};
    for (const auto text : fine) EXPECT_EQ(parsed(std::string{text} + "@x"), std::string{text} + "@x");
    for (const auto text : bad) EXPECT_TRUE(is_refused(std::string{text} + "@x")) << text;
}

TEST(Jid, says_its_parts) {
    const auto jid = Jid::parse("romeo@montague.lit/orchard").value();
    EXPECT_EQ(jid.local(), "romeo");
    EXPECT_EQ(jid.domain(), "montague.lit");
    EXPECT_EQ(jid.resource(), "orchard");
    EXPECT_EQ(jid.bare_text(), "romeo@montague.lit");
    EXPECT_TRUE(jid.is_full() && !jid.is_bare() && !jid.is_domain());

    const auto domain = Jid::parse("montague.lit").value();
    EXPECT_TRUE(domain.is_domain() && domain.is_bare() && domain.local().empty());
    const auto component = Jid::parse("montague.lit/x@y").value();
    EXPECT_EQ(component.domain(), "montague.lit");
    EXPECT_EQ(component.bare_text(), "montague.lit");
    EXPECT_FALSE(component.is_domain());
}

TEST(Jid, is_empty_when_default_made) {
    const Jid none;
    EXPECT_TRUE(none.empty());
    EXPECT_EQ(none.text(), "");
    EXPECT_EQ(none.domain(), "");
    EXPECT_EQ(none.bare(), none);
    EXPECT_EQ(none, Jid{});
    EXPECT_NE(none, Jid::parse("a").value());
    EXPECT_LT(none, Jid::parse("a").value());
    EXPECT_FALSE(none.with_resource("x"));
}

TEST(Jid, compares_by_text_and_hashes_alike) {
    const auto one = Jid::parse("Romeo@montague.lit/x").value(), same = Jid::parse("romeo@MONTAGUE.lit/x").value();
    const auto other = Jid::parse("romeo@montague.lit/y").value();
    EXPECT_EQ(one, same);
    EXPECT_EQ(one.hash(), same.hash());
    EXPECT_NE(one, other);
    EXPECT_LT(one, other);
    EXPECT_NE(one.hash(), other.hash());
    EXPECT_EQ(one.bare_hash(), other.bare_hash());
    EXPECT_EQ(one.bare(), other.bare());
    EXPECT_EQ(one.bare().hash(), one.bare_hash());
    EXPECT_EQ(std::hash<Jid>{}(one), one.hash());
    EXPECT_EQ(one.bare_hash(), text_hash("romeo@montague.lit"));
}

TEST(Jid, can_be_copied_moved_and_assigned_to_itself) {
    auto jid = Jid::parse("romeo@montague.lit").value();
    const Jid copy = jid;
    auto& self = jid;
    jid = self;
    EXPECT_EQ(jid, copy);
    const Jid moved = std::move(jid);
    EXPECT_EQ(moved, copy);
    jid = Jid::parse("juliet@capulet.lit").value();
    EXPECT_EQ(jid.text(), "juliet@capulet.lit");
}

TEST(Jid, can_be_shared_by_threads) {
    const auto jid = Jid::parse("romeo@montague.lit/orchard").value();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([jid] {
            for (int n = 0; n < 10000; ++n) {
                const Jid copy = jid;
                EXPECT_EQ(copy.local(), "romeo");
            }
        });
    for (auto& thread : threads) thread.join();
}

TEST(Jid, is_made_from_parts_that_may_hold_separators) {
    EXPECT_EQ(Jid::make("romeo", "Montague.lit", "a/b@c").value().text(), "romeo@montague.lit/a/b@c");
    EXPECT_EQ(Jid::make("", "montague.lit").value().text(), "montague.lit");
    EXPECT_FALSE(Jid::make("ro@meo", "montague.lit"));
    EXPECT_FALSE(Jid::make("romeo", ""));
    EXPECT_FALSE(Jid::make("romeo", "a/b"));
    const auto bare = Jid::make("romeo", "montague.lit").value();
    EXPECT_EQ(bare.with_resource("Orchard").value().text(), "romeo@montague.lit/Orchard");
    EXPECT_FALSE(bare.with_resource(""));
    EXPECT_FALSE(bare.with_resource("\u0085"));
}

TEST(Jid, prepares_what_is_prepared_to_itself) {
    constexpr std::string_view texts[] = {
        "Juliet@Example.com/foo",
        "\u03A3\u03A3@example.com/\u00A0",
        "\uFF2A@\uFF4Cocalhost./\u212B",
        "\u0130stanbul@xn--bcher-kva.example/x",
        "A\u030A@b\u0075\u0308cher.example/a\u030A",
        "x@[2001:DB8:0::1]",
    };
    for (const auto text : texts) EXPECT_EQ(parsed(parsed(text)), parsed(text)) << text;
}

TEST(Password, is_an_opaque_string) {
    EXPECT_EQ(prepare_password("correct horse battery staple").value(), "correct horse battery staple");
    EXPECT_EQ(prepare_password("Correct Horse").value(), "Correct Horse");
    EXPECT_EQ(prepare_password("\u03C0\u00DF\u00E5").value(), "\u03C0\u00DF\u00E5");
    EXPECT_EQ(prepare_password("Jack of \u2666s").value(), "Jack of \u2666s");
    EXPECT_EQ(prepare_password("foo\u1680bar").value(), "foo bar");
    EXPECT_FALSE(prepare_password(""));
    EXPECT_FALSE(prepare_password("my cat is a \tby"));
    EXPECT_FALSE(prepare_password(std::string(70000, 'x')));
}

TEST(JidCache, answers_as_parse_does_for_any_spelling) {
    JidCache cache{2};   // one pair: everything meets everything
    constexpr std::string_view texts[] = {"Romeo@montague.lit",         "romeo@montague.lit",
                                          "juliet@capulet.lit/Balcony", "@x",
                                          "JULIET@capulet.lit",         "capulet.lit"};
    for (int round = 0; round < 3; ++round)
        for (const auto text : texts) {
            const auto cached = cache.get(text), fresh = Jid::parse(text);
            ASSERT_EQ(cached.has_value(), fresh.has_value()) << text;
            if (cached) {
                EXPECT_EQ(*cached, *fresh) << text;
            }
        }
}

TEST(JidCache, hands_out_the_same_block_again) {
    JidCache cache;
    const auto first = cache.get("Romeo@montague.lit").value(), again = cache.get("Romeo@montague.lit").value();
    EXPECT_EQ(first.text().data(), again.text().data());
    const std::string long_text = "romeo@montague.lit/" + std::string(JidCache::max_text_bytes, 'x');
    EXPECT_NE(cache.get(long_text).value().text().data(), cache.get(long_text).value().text().data())
        << "long texts are not kept";
}

TEST(TextHash, spreads_and_repeats) {
    std::set<std::uint64_t> hashes;
    std::string text;
    for (int i = 0; i < 300; ++i, text += 'a') {
        EXPECT_EQ(text_hash(text), text_hash(std::string{text}));
        hashes.insert(text_hash(text));
    }
    EXPECT_EQ(hashes.size(), 300U);
}

}   // namespace
