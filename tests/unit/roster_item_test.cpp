#include <string>

#include <gtest/gtest.h>

#include <tambo/stanza.hpp>

#include "modules/roster/item.hpp"

namespace {

using namespace tambo;
using namespace tambo::roster;

Item juliet() {
    return {.state = {.to = true, .from = true, .approved = true},
            .name = "Juliet \xe2\x99\xa5 <Capulet>",
            .groups = {"Friends", "Verona & around"},
            .changed = 300};
}

Result<Wish> wish(std::string_view items, std::size_t max_groups = 3) {
    const auto iq =
        Stanza::parse("<iq type='set' id='1'><query xmlns='jabber:iq:roster'>" + std::string{items} + "</query></iq>");
    return read_wish(iq->payload(), max_groups);
}

std::string refusal(std::string_view items) {
    const auto w = wish(items);
    return w ? "accepted" : std::string{to_string(w.error().condition)};
}

TEST(RosterItem, comes_back_from_the_store_as_it_was) {
    EXPECT_EQ(decode(encode(juliet())), juliet());
    EXPECT_EQ(decode(encode(Item{})), Item{});
    Item big;
    big.state.out = true;
    big.changed = ~std::uint64_t{0};
    big.name.assign(1023, 'n');
    EXPECT_EQ(decode(encode(big)), big);
}

TEST(RosterItem, refuses_every_beginning_of_a_row_and_anything_behind_it) {
    const auto row = encode(juliet());
    for (std::size_t cut = 0; cut < row.size(); ++cut)
        EXPECT_FALSE(decode(row.substr(0, cut)).has_value()) << "cut at " << cut;
    EXPECT_FALSE(decode(row + "x").has_value());
}

TEST(RosterItem, survives_rows_with_absurd_lengths) {
    EXPECT_FALSE(decode(std::string{"\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13}).has_value());
    EXPECT_FALSE(decode(std::string{"\x01\x00\x00\x00\xff\xff\xff\x7f", 8}).has_value());
    EXPECT_FALSE(decode("\x01\x01" + std::string(20, '\xff')).has_value());
    EXPECT_FALSE(decode("\x02\x01").has_value()) << "another layout";
}

TEST(RosterItem, tells_by_two_bytes_who_has_not_answered) {
    EXPECT_TRUE(asks(encode({.state = {.out = true}})));
    EXPECT_FALSE(asks(encode(juliet())));
    EXPECT_FALSE(asks(""));
}

TEST(RosterItem, is_written_as_clients_expect_it) {
    Writer query;
    query.element("query", ns_roster);
    write(query, "juliet@capulet.lit", juliet());
    write_removed(query, "paris@verona.lit");
    const auto tape = parse_xml(query.str());
    ASSERT_TRUE(tape.has_value());
    const auto item = Element{*tape, 0}.first();
    EXPECT_EQ(item.attribute("jid"), "juliet@capulet.lit");
    EXPECT_EQ(item.attribute("name"), juliet().name);
    EXPECT_EQ(item.attribute("subscription"), "both");
    EXPECT_EQ(item.attribute("approved"), "true");
    EXPECT_FALSE(item.has_attribute("ask"));
    EXPECT_EQ(item.first().next().text(), "Verona & around");
    EXPECT_EQ(item.next().attribute("subscription"), "remove");
}

TEST(RosterSet, is_read_with_name_and_groups) {
    const auto w = wish("<item jid='Nurse@Verona.lit/attic' name='N'><group>A</group><group>B</group></item>");
    ASSERT_TRUE(w.has_value());
    EXPECT_EQ(w->contact.text(), "nurse@verona.lit");
    EXPECT_EQ(w->name, "N");
    EXPECT_EQ(w->groups, (std::vector<std::string>{"A", "B"}));
    EXPECT_FALSE(w->removal);
    EXPECT_TRUE(wish("<item jid='a@b.lit' subscription='remove'/>")->removal);
    EXPECT_FALSE(wish("<item jid='a@b.lit' subscription='both'/>")->removal);
}

TEST(RosterSet, is_refused_as_the_rfc_says) {
    EXPECT_EQ(refusal(""), "bad-request");
    EXPECT_EQ(refusal("<item/>"), "bad-request");
    EXPECT_EQ(refusal("<item jid='a@b.lit'/><item jid='c@b.lit'/>"), "bad-request");
    EXPECT_EQ(refusal("<item xmlns='urn:other' jid='a@b.lit'/>"), "bad-request");
    EXPECT_EQ(refusal("<item jid='@@'/>"), "jid-malformed");
    EXPECT_EQ(refusal("<item jid='a@b.lit'><group>A</group><group>A</group></item>"), "bad-request");
    EXPECT_EQ(refusal("<item jid='a@b.lit'><group/></item>"), "not-acceptable");
    EXPECT_EQ(refusal("<item jid='a@b.lit' name='" + std::string(1024, 'n') + "'/>"), "not-acceptable");
    EXPECT_EQ(refusal("<item jid='a@b.lit' name='" + std::string(1023, 'n') + "'/>"), "accepted");
    EXPECT_EQ(refusal("<item jid='a@b.lit'><group>" + std::string(1024, 'g') + "</group></item>"), "not-acceptable");
    EXPECT_EQ(refusal("<item jid='a@b.lit'><group>1</group><group>2</group><group>3</group><group>4</group></item>"),
              "not-acceptable");
}

std::optional<std::pair<Jid, Item>> exported(const std::string& attributes, const std::string& groups = {}) {
    const auto xml = parse_xml("<item xmlns='jabber:iq:roster' " + attributes + ">" + groups + "</item>");
    return read_exported(Element{*xml, 0}, 3);
}

TEST(RosterItem, that_another_server_wrote_keeps_its_subscription) {
    const auto both =
        exported("jid='Juliet@capulet.lit/balcony' name='Juliet' subscription='both'", "<group>Friends</group>");
    ASSERT_TRUE(both);
    EXPECT_EQ(both->first.text(), "juliet@capulet.lit");
    EXPECT_EQ(both->second, (Item{.state = {.to = true, .from = true}, .name = "Juliet", .groups = {"Friends"}}));
    EXPECT_EQ(exported("jid='a@x' subscription='to' ask='subscribe' approved='true'")->second.state,
              (State{.to = true, .approved = true}))
        << "who is subscribed has nothing to wait for";
    EXPECT_EQ(exported("jid='a@x' subscription='from' ask='subscribe' approved='1'")->second.state,
              (State{.from = true, .out = true}));
    EXPECT_EQ(exported("jid='a@x' approved='1'")->second.state, State{.approved = true});
}

TEST(RosterItem, that_another_server_wrote_loses_what_does_not_fit) {
    EXPECT_FALSE(exported("name='nobody'"));
    EXPECT_FALSE(exported("jid='@'"));
    EXPECT_FALSE(exported("jid='a@x' subscription='remove'"));
    const auto item = exported("jid='a@x' name='" + std::string(2000, 'n') + "' subscription='perhaps'",
                               "<group/><group>a</group><group>a</group><group>" + std::string(2000, 'g') +
                                   "</group><group>b</group><group>c</group><group>d</group>");
    ASSERT_TRUE(item);
    EXPECT_EQ(item->second, (Item{.groups = {"a", "b", "c"}}));
}

}   // namespace
