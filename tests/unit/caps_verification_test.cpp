#include <gtest/gtest.h>

#include "modules/caps/verification.hpp"

namespace tambo::caps {
namespace {

constexpr std::string_view begin = "<query xmlns='http://jabber.org/protocol/disco#info'>";
constexpr std::string_view exodus = "<identity category='client' name='Exodus 0.9.1' type='pc'/>";
constexpr std::string_view muc = "<feature var='http://jabber.org/protocol/muc'/>";
constexpr std::string_view others =
    "<feature var='http://jabber.org/protocol/disco#items'/>"
    "<feature var='http://jabber.org/protocol/disco#info'/>"
    "<feature var='http://jabber.org/protocol/caps'/>";

Result<Capabilities> read_query(std::string_view content) {
    const auto tape = parse_xml(std::string{begin} + std::string{content} + "</query>");
    if (!tape) throw std::runtime_error{tape.error().text};
    return read(Element{*tape, 0});
}

std::string form(std::string_view fields) {
    return "<x xmlns='jabber:x:data' type='result'>" + std::string{fields} + "</x>";
}

std::string type_field(std::string_view type) {
    return "<field var='FORM_TYPE' type='hidden'><value>" + std::string{type} + "</value></field>";
}

TEST(CapsVerification, gives_the_string_of_the_simple_example) {   // XEP-0115 §5.2
    const auto all = read_query(std::string{exodus} + std::string{muc} + std::string{others});
    ASSERT_TRUE(all);
    EXPECT_EQ(joined(*all),
              "client/pc//Exodus 0.9.1<http://jabber.org/protocol/caps<http://jabber.org/protocol/"
              "disco#info<http://jabber.org/protocol/disco#items<http://jabber.org/protocol/muc<");
    EXPECT_EQ(verification(*all, "sha-1"), "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

TEST(CapsVerification, gives_the_string_of_the_complex_example) {   // XEP-0115 §5.3
    const auto all = read_query(
        "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"
        "<identity xml:lang='el' category='client' name='\xce\xa8 0.11' type='pc'/>" +
        std::string{muc} + std::string{others} +
        form("<field var='os_version'><value>10.5.1</value></field>" + type_field("urn:xmpp:dataforms:softwareinfo") +
             "<field var='ip_version' type='text-multi'><value>ipv6</value><value>ipv4</value></field>"
             "<field var='software_version'><value>0.11</value></field><field var='os'><value>Mac</value></field>"
             "<field var='software'><value>Psi</value></field>"));
    ASSERT_TRUE(all);
    EXPECT_EQ(verification(*all, "sha-1"), "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

TEST(CapsVerification, knows_other_algorithms_and_says_so_of_those_it_does_not_know) {
    const Capabilities nothing;
    EXPECT_EQ(verification(nothing, "sha-256"), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    EXPECT_EQ(verification(nothing, "md5"), std::nullopt);
}

TEST(CapsVerification, refuses_what_is_there_twice) {   // XEP-0115 §5.4, steps 3.3 to 3.5
    EXPECT_FALSE(read_query(std::string{exodus} + std::string{exodus}));
    EXPECT_FALSE(read_query(std::string{muc} + std::string{muc}));
    EXPECT_FALSE(read_query(form(type_field("urn:x")) + form(type_field("urn:x"))));
    EXPECT_FALSE(
        read_query(form("<field var='FORM_TYPE' type='hidden'><value>urn:x</value><value>urn:y</value></field>")));
    EXPECT_TRUE(read_query(std::string{exodus} + "<identity category='client' name='Exodus' type='phone'/>"));
}

TEST(CapsVerification, ignores_forms_without_a_hidden_type) {   // step 3.6
    const auto all = read_query(form("<field var='FORM_TYPE'><value>urn:x</value></field>") +
                                form("<field var='os'><value>Mac</value></field>"));
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->forms.empty());
}

/// "client/pc//" with a name that ends in "<feature" would hash like one more feature.
TEST(CapsVerification, does_not_let_one_answer_pass_for_another) {
    EXPECT_FALSE(read_query("<identity category='client' type='pc' name='Exodus&lt;urn:x'/>"));
    EXPECT_FALSE(read_query("<feature var='urn:x&lt;urn:y'/>"));
    EXPECT_FALSE(read_query("<identity category='client/pc' type='' name='Exodus'/>"));
    EXPECT_FALSE(read_query(form(type_field("urn:x") + "<field var='a'><value>b&lt;c</value></field>")));
    EXPECT_FALSE(read_query("<feature var='urn:x&#10;feature=urn:y'/>")) << "nor two lines for one";
}

}   // namespace
}   // namespace tambo::caps
