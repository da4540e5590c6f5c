#include <gtest/gtest.h>

#include "modules/adhoc/forms.hpp"

namespace tambo::adhoc {
namespace {

const Command add_user{"http://jabber.org/protocol/admin#add-user",
                       "",
                       "Add a user",
                       Audience::admin,
                       {{"accountjid", "The JID", Argument::Kind::jid},
                        {"password", "A password", Argument::Kind::secret},
                        {"colour", "A colour", Argument::Kind::choice, false, {"red", "blue"}, "blue"},
                        {"notes", "Notes", Argument::Kind::paragraph, false},
                        {"is_young", "Young", Argument::Kind::flag, false}}};

struct Read {
    explicit Read(const std::string& xml) : tape(*parse_xml(xml)), root(tape, 0) {}
    Element field(std::string_view name) const {
        for (const auto field : root.children())
            if (field.attribute("var") == name) return field;
        return {};
    }
    Tape tape;
    Element root;
};

TEST(AdHocForms, ask_for_every_argument_in_its_own_way) {
    CommandCall known;
    known.given["notes"] = {"one", "two"};
    known.given["password"] = {"secret"};
    const Read form{ask(add_user, known)};
    EXPECT_EQ(form.root.attribute("type"), "form");
    EXPECT_EQ(form.root.child("title").text(), "Add a user");
    EXPECT_EQ(form.field("FORM_TYPE").child("value").text(), "http://jabber.org/protocol/admin");
    EXPECT_EQ(form.field("accountjid").attribute("type"), "jid-single");
    EXPECT_TRUE(form.field("accountjid").child("required"));
    EXPECT_EQ(form.field("password").attribute("type"), "text-private");
    EXPECT_FALSE(form.field("password").child("value")) << "secrets are never shown";
    EXPECT_EQ(form.field("colour").attribute("type"), "list-single");
    EXPECT_FALSE(form.field("colour").child("required"));
    EXPECT_EQ(form.field("colour").child("value").text(), "blue");
    EXPECT_EQ(form.field("colour").child("option").child("value").text(), "red");
    EXPECT_EQ(form.field("notes").attribute("type"), "text-multi");
    EXPECT_EQ(form.field("notes").child("value").text(), "one");
    EXPECT_EQ(form.field("notes").child("value").next().text(), "two");
    EXPECT_EQ(form.field("is_young").attribute("type"), "boolean");
}

TEST(AdHocForms, take_only_what_the_command_asks_for) {
    const Read form{
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:x</value></field>"
        "<field var='accountjid'><value>juliet@localhost</value></field>"
        "<field var='notes'><value>a</value><value/><value>b</value></field>"
        "<field var='email'><value>juliet@capulet.example</value></field>"
        "<field xmlns='urn:y' var='password'><value>x</value></field></x>"};
    const auto call = filled_in(add_user, form.root);
    EXPECT_EQ(call.given.size(), 2U);
    EXPECT_EQ(call.get("accountjid"), "juliet@localhost");
    EXPECT_EQ(call.all("notes"), (std::vector<std::string>{"a", "", "b"}));
}

TEST(AdHocForms, report_figures_and_nothing_where_there_are_none) {
    EXPECT_EQ(report(add_user, {"done", {}, {}}), "");
    const Read form{report(add_user, {"done", {{"jids", "JIDs", {"a@b", "c@d"}}}, "<query xmlns='urn:z'/>"})};
    EXPECT_EQ(form.root.attribute("type"), "result");
    EXPECT_EQ(form.field("jids").child("value").next().text(), "c@d");
    EXPECT_TRUE(form.root.child("query", "urn:z"));
}

TEST(AdHocForms, escape_what_people_write) {
    CommandCall known;
    known.given["notes"] = {"</value>&<x>"};
    const Read form{ask(add_user, known)};
    EXPECT_EQ(form.field("notes").child("value").text(), "</value>&<x>");
}

}   // namespace
}   // namespace tambo::adhoc
