#include <string>

#include <gtest/gtest.h>

#include <tambo/stanza.hpp>

using namespace tambo;

namespace {

Jid jid(std::string_view text) { return Jid::parse(text).value(); }

Stanza parsed(std::string_view xml) {
    auto stanza = Stanza::parse(xml);
    EXPECT_TRUE(stanza) << xml << ": " << (stanza ? "" : stanza.error().text);
    return stanza ? std::move(*stanza) : Stanza{};
}

}   // namespace

TEST(Stanza, takes_its_attributes_out_of_the_tape) {
    const auto stanza =
        parsed("<message from='a@b/c' to='d@e' id='&lt;1' type='chat' xml:lang='de'><body>hi</body></message>");
    EXPECT_TRUE(stanza.is_message());
    EXPECT_EQ(stanza.from().text(), "a@b/c");
    EXPECT_EQ(stanza.to().text(), "d@e");
    EXPECT_EQ(stanza.id(), "<1");
    EXPECT_EQ(stanza.type(), "chat");
    EXPECT_EQ(stanza.lang(), "de");
    EXPECT_EQ(stanza.body(), "hi");
    EXPECT_EQ(stanza.inner(), "<body>hi</body>");
    EXPECT_EQ(stanza.extra(), "");
}

TEST(Stanza, is_what_its_name_and_namespace_say) {
    EXPECT_EQ(parsed("<iq/>").kind(), Stanza::Kind::iq);
    EXPECT_EQ(parsed("<presence/>").kind(), Stanza::Kind::presence);
    EXPECT_EQ(parsed("<frob/>").kind(), Stanza::Kind::other);
    EXPECT_EQ(parsed("<message xmlns='jabber:server'/>").kind(), Stanza::Kind::other);
    EXPECT_EQ(parsed("<c:message xmlns:c='jabber:client'/>").kind(), Stanza::Kind::message);
    EXPECT_EQ(parsed("<r xmlns='urn:xmpp:sm:3'/>").name(), "r");
    EXPECT_EQ(parsed("<iq/>").name(), "iq");
}

TEST(Stanza, comes_back_from_its_own_text) {
    for (const std::string_view text : {
             "<message from='a@b/c' to='d@e' id='&lt;1' type='chat' xml:lang='de'><body>hi</body>x</message>",
             "<presence/>",
             "<iq id='1' type='get'><q xmlns='urn:q'/></iq>",
             "<message xmlns:p='urn:p' p:a='&apos;&#10;' other='1'><p:x xmlns:p='urn:p'/></message>",
             "<r xmlns='urn:xmpp:sm:3'/>",
             "<auth mechanism='PLAIN' xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AGE=</auth>",
             "<p:x xmlns:p='urn:p'><body/></p:x>",
             "<x xmlns=''/>",
         }) {
        const auto once = parsed(text).str();
        EXPECT_EQ(parsed(once).str(), once);
        EXPECT_EQ(once.size(), text.size()) << once;
    }
}

TEST(Stanza, says_jid_malformed_and_still_knows_whom_to_answer) {
    const auto refused = Stanza::parse("<iq to='@' id='1'/>");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().condition, Condition::jid_malformed);

    auto stanza = parsed("<iq from='a@b' id='1' type='get'/>");
    stanza.tape().clear();
    auto tape = parse_xml("<iq to='@' from='a@b/c' type='get' id='9'/>").value();
    stanza.tape() = tape;
    EXPECT_EQ(stanza.adopt().error().condition, Condition::jid_malformed);
    EXPECT_EQ(stanza.from().text(), "a@b/c");
    EXPECT_EQ(stanza.id(), "9");
    EXPECT_TRUE(stanza.adopt(false));
    EXPECT_TRUE(stanza.to().empty());
    EXPECT_TRUE(stanza.from().empty());
}

TEST(Stanza, forgets_the_one_before_when_it_adopts) {
    auto stanza = parsed("<message from='a@b/c' to='d@e' id='1' type='chat' xml:lang='de' x='y'><body/></message>");
    stanza.set_inner("<edited/>");
    stanza.tape() = parse_xml("<iq/>").value();
    ASSERT_TRUE(stanza.adopt());
    EXPECT_EQ(stanza.str(), "<iq/>");
    EXPECT_FALSE(stanza.payload());
    stanza.set_inner("<edited/>");
    stanza.tape() = parse_xml("<iq to='@'/>").value();
    ASSERT_TRUE(stanza.adopt(false));
    EXPECT_EQ(stanza.xml().attribute("to"), "@") << "what was not parsed can still be looked at";
}

TEST(Stanza, can_be_made_by_hand) {
    auto iq = Stanza::iq(jid("a@b/c"), jid("d@e"), "get", "it's");
    EXPECT_EQ(iq.str(), "<iq from='a@b/c' to='d@e' id='it&apos;s' type='get'/>");
    EXPECT_TRUE(iq.is_request());
    EXPECT_TRUE(iq.xml().is("iq", ns::client));
    EXPECT_EQ(iq.xml().attribute("id"), "it's");
    EXPECT_EQ(Stanza::presence({}, {}).str(), "<presence/>");
    EXPECT_EQ(Stanza::message({}, jid("d@e"), "chat").str(), "<message to='d@e' type='chat'/>");
    EXPECT_FALSE(Stanza{}.xml());
    EXPECT_EQ(Stanza{}.name(), "");
}

TEST(Stanza, sees_its_edits) {
    auto message = parsed("<message id='1' x='y'><body>one</body><a xmlns='urn:a'/></message>");
    message.set_inner("<body>two</body>");
    EXPECT_EQ(message.body(), "two");
    message.append("<b xmlns='urn:b'><c/></b>");
    EXPECT_TRUE(message.has("b", "urn:b"));
    EXPECT_EQ(message.body(), "two");
    message.set_type("chat");
    message.set_to(jid("d@e"));
    message.set_id("2");
    message.set_lang("la");
    EXPECT_EQ(
        message.str(),
        "<message to='d@e' id='2' type='chat' xml:lang='la' x='y'><body>two</body><b xmlns='urn:b'><c/></b></message>");
}

namespace {

/// All that an element shows, and what is in it.
std::string shown(const Element& element) {
    std::string out{element.name()};
    out.append("|").append(element.space()).append("|").append(element.lang()).append("|").append(element.text());
    out.append("|").append(element.xml()).append("|").append(element.standalone());
    for (const auto* name : {"by", "id", "xmlns", "x"})
        out.append("|").append(element.has_attribute(name) ? element.attribute(name) : "-");
    for (const auto child : element.children()) out.append("{").append(shown(child)).append("}");
    return out;
}

}   // namespace

TEST(Stanza, makes_an_element_as_if_it_had_been_read) {
    for (const auto* value : {"1f", "", "d'a<r>t&\"agnan", "t\tn\nr", "r\xc3\xb3meo@x"}) {
        for (const auto* start : {"<message to='d@e'/>", "<message to='d@e'>t<body>one</body>u</message>",
                                  "<message to='d@e' xmlns:q='urn:q'><q:a/></message>"}) {
            auto made = parsed(start), read = parsed(start);
            made.append("one", "urn:one", {});
            made.append("a", "urn:a", {{"by", value}, {"id", "2"}});
            read.append("<one xmlns='urn:one'/>");
            read.append(Writer{}.element("a", "urn:a").attribute("by", value).attribute("id", "2").take());
            EXPECT_EQ(shown(made.xml()), shown(read.xml())) << value;
            EXPECT_EQ(made.str(), read.str());
            EXPECT_EQ(made.xml().child_in("urn:a").attribute("by"), value);
            EXPECT_EQ(made.xml().child("one", "urn:one").xml(), "<one xmlns='urn:one'/>");
            made.append("<last xmlns='urn:last'/>");
            read.append("<last xmlns='urn:last'/>");
            EXPECT_EQ(shown(made.xml()), shown(read.xml())) << value;
            made.remove(made.child("a", "urn:a"));
            made.append("a", "urn:b", {{"by", value}});   // what is on the tape is not true any more
            EXPECT_EQ(made.child("a", "urn:b").attribute("by"), value);
            EXPECT_FALSE(made.has("a", "urn:a"));
        }
    }
}

TEST(Stanza, is_as_kept_until_anything_about_it_changes) {
    const auto kept = [] {
        auto message = parsed("<message from='a@b/c' to='d@e'><body>hi</body></message>");
        message.set_as_kept();
        EXPECT_TRUE(message.is_as_kept());
        return message;
    };
    const auto changed = [&](auto&& change) {
        auto message = kept();
        change(message);
        return !message.is_as_kept();
    };
    EXPECT_TRUE(changed([](Stanza& s) { s.set_from(jid("x@y")); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.set_to(jid("x@y")); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.set_id("1"); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.set_type("chat"); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.set_lang("de"); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.set_inner("<body>ho</body>"); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.set_extra(" a='b'"); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.append("<a xmlns='urn:a'/>"); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.append("a", "urn:a", {}); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.remove(s.child("body", ns::client)); }));
    EXPECT_TRUE(changed([](Stanza& s) { s.tape().clear(); }));
    EXPECT_TRUE(changed([](Stanza& s) { s = s.result(); }));
    EXPECT_FALSE(changed([](const Stanza& s) { (void)s.xml(); }));
    EXPECT_TRUE(Stanza{kept()}.is_as_kept()) << "a copy says the same";
}

TEST(Stanza, shows_what_was_appended_as_if_it_had_come_so) {
    for (const auto* appended :
         {"<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@montague.lit' id='1f'/>", "<r xmlns='urn:r'/>",
          "<a xmlns='urn:a' x='1'>t<b id='2'><c xmlns='urn:c' by='d'>&lt;u</c>v</b></a>",
          "<a xmlns='urn:a' x='1 &lt; 2'/>", "<a xmlns='urn:a' by='r\xc3\xb3meo@x'/>", "<a by='1' xmlns='urn:a'/>",
          "<a/>", "<a by='1'/>", "<a xmlns=''/>", "<a xmlns='urn:a' xml:lang='de'/>", "<p:a xmlns:p='urn:p'/>",
          "<a xmlns='urn:a'></a>", "<a xmlns='urn:a'>text</a>", "<a xmlns='urn:a'/><b xmlns='urn:b'/>",
          "<a xmlns='urn:a' x='\t\n'/>", "<a  xmlns='urn:a'/>", "<a xmlns='urn:a' />", "<a xmlns=\"urn:a\"/>",
          // … and what is no XML
          "<a xmlns='urn:a' x='1' x='2'/>", "<a xmlns='urn:a' xmlns='urn:a'/>", "<a xmlns='urn:a' x=''", "<a", "",
          "<a xmlns='http://www.w3.org/2000/xmlns/'/>", "<1 xmlns='urn:a'/>", "<a xmlns='urn:a' 1='2'/>",
          "<a xmlns='urn:a' x='a&b'/>", "<a xmlns='urn:a'x='a'/>", "<a xmlns='urn:a' x='<'/>"}) {
        for (const auto* start :
             {"<message to='d@e'/>", "<message to='d@e'>t<body xmlns:q='urn:q'>one</body>u</message>"}) {
            auto in_place = parsed(start), anew = parsed(start);
            in_place.append(appended);
            anew.set_inner(std::string{anew.inner()} + appended);
            EXPECT_EQ(shown(in_place.xml()), shown(anew.xml())) << appended;
            in_place.append("<last xmlns='urn:last'/>");
            anew.set_inner(std::string{anew.inner()} + "<last xmlns='urn:last'/>");
            EXPECT_EQ(shown(in_place.xml()), shown(anew.xml())) << appended;
            EXPECT_EQ(in_place.str(), anew.str());
        }
    }
}

TEST(Stanza, can_lose_its_children_one_by_one) {
    auto message = parsed("<message>t<body>one</body>u<a xmlns='urn:a'/>v</message>");
    message.remove(message.child("a", "urn:a"));
    EXPECT_EQ(message.inner(), "t<body>one</body>uv");
    message.remove(message.child("body", ns::client));
    EXPECT_EQ(message.inner(), "tuv");
    message.remove(message.child("body", ns::client));
    message.remove(message.xml());
    EXPECT_EQ(message.inner(), "tuv");
}

TEST(Stanza, keeps_edits_that_are_not_well_formed_out_of_sight) {
    auto message = Stanza::message({}, jid("d@e"));
    message.set_inner("<open>");
    EXPECT_FALSE(message.payload());
    EXPECT_EQ(message.name(), "message");
    EXPECT_EQ(message.inner(), "<open>");
    message.set_inner("<fine/>");
    EXPECT_EQ(message.payload().name(), "fine");
}

TEST(Stanza, of_another_namespace_keeps_name_and_prefix_through_an_edit) {
    auto other = parsed("<p:x xmlns:p='urn:p' a='1'/>");
    other.append("<p:y xmlns:p='urn:p'/>");
    EXPECT_EQ(other.payload().space(), "urn:p");
    EXPECT_EQ(other.str(), "<p:x xmlns:p='urn:p' a='1'><p:y xmlns:p='urn:p'/></p:x>");
    EXPECT_EQ(other.name(), "x");
}

// RFC 6120 §8.3
TEST(Stanza, turns_into_an_error_without_its_payload) {
    const auto iq = parsed("<iq from='a@b/c' to='d@e' id='1' type='get' x='y'><q xmlns='urn:q'/></iq>");
    EXPECT_EQ(iq.error({Condition::item_not_found, ""}).str(),
              "<iq from='d@e' to='a@b/c' id='1' type='error'><error type='cancel'>"
              "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    const auto message = parsed("<message from='a@b/c' id='1'/>").error({Condition::forbidden, "not <you>"});
    EXPECT_EQ(message.str(),
              "<message to='a@b/c' id='1' type='error'><error type='auth'>"
              "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
              "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>not &lt;you&gt;</text></error></message>");
    EXPECT_TRUE(message.is_error());
    EXPECT_TRUE(message.payload().child("forbidden", ns::stanza_errors));
}

TEST(Stanza, answers_an_iq) {
    EXPECT_EQ(parsed("<iq from='a@b/c' to='d@e' id='1' type='get'><q xmlns='urn:q'/></iq>").result().str(),
              "<iq from='d@e' to='a@b/c' id='1' type='result'/>");
}

TEST(Stanza, can_be_copied_and_moved_with_all_it_owns) {
    auto first = parsed("<message id='1'><body>one</body></message>");
    auto copy = first;
    first.set_inner("<body>two</body>");
    EXPECT_EQ(copy.body(), "one");
    const auto moved = std::move(copy);
    EXPECT_EQ(moved.body(), "one");
    EXPECT_EQ(first.body(), "two");
}

TEST(Stanza, finds_its_children_whatever_was_done_to_it) {
    auto message = parsed("<message><body>hi</body><x xmlns='urn:x'><y xmlns='urn:y'/></x></message>");
    const auto has = [&message](std::string_view name, std::string_view space) {
        const bool is_there = message.has(name, space);
        EXPECT_EQ(is_there, static_cast<bool>(message.xml().child_in(space))) << space;
        return is_there;
    };
    EXPECT_TRUE(has("body", ns::client));
    EXPECT_TRUE(has("x", "urn:x"));
    EXPECT_FALSE(has("y", "urn:y"));
    EXPECT_TRUE(message.child("x", "urn:x").child("y", "urn:y"));
    EXPECT_FALSE(has("private", "urn:xmpp:carbons:2"));

    message.append("<private xmlns='urn:xmpp:carbons:2'/>");
    EXPECT_TRUE(has("private", "urn:xmpp:carbons:2"));
    const auto copy = message;
    message.remove(message.child("private", "urn:xmpp:carbons:2"));
    EXPECT_FALSE(has("private", "urn:xmpp:carbons:2"));
    EXPECT_TRUE(has("x", "urn:x"));
    EXPECT_TRUE(copy.has("private", "urn:xmpp:carbons:2"));

    message.set_inner("<z xmlns='urn:z'/>");
    EXPECT_TRUE(has("z", "urn:z"));
    EXPECT_FALSE(has("x", "urn:x"));

    message.tape() = parsed("<message><a xmlns='urn:a'/></message>").tape();   // as a codec does
    ASSERT_TRUE(message.adopt());
    EXPECT_TRUE(has("a", "urn:a"));
    EXPECT_FALSE(has("z", "urn:z"));
}
