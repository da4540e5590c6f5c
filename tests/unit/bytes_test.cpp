#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include <tambo/bytes.hpp>
#include <tambo/result.hpp>

using namespace tambo;

TEST(Base64, writes_the_examples_of_rfc_4648) {
    const std::pair<std::string_view, std::string_view> examples[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [bytes, text] : examples) {
        EXPECT_EQ(base64(bytes), text);
        EXPECT_EQ(from_base64(text), Bytes{bytes}) << text;
    }
}

TEST(Base64, brings_every_byte_back) {
    Bytes all;
    for (int i = 0; i < 256; ++i) {
        all += static_cast<char>(i);
        EXPECT_EQ(from_base64(base64(all)), all) << all.size() << " bytes";
    }
}

TEST(Base64, refuses_what_is_not_exactly_base64) {
    for (const std::string_view text : {"=", "Zg", "Zg=", "Zg===", "Z", "Zm9v\n", " Zm9v", "Zm9-", "Zm9_",
                                        "Zg==Zg==", "Z===", "====", "==", "Zm=v", "Zh==", "Zm9=", "\xc3\xa4ZZ"})
        EXPECT_EQ(from_base64(text), std::nullopt) << text;
}

TEST(Hex, is_lower_case) { EXPECT_EQ(hex(std::string_view{"\x00\x7f\xff", 3}), "007fff"); }

TEST(Random, bytes_come_in_the_asked_number_and_never_again) {
    EXPECT_EQ(random_bytes(0), "");
    EXPECT_EQ(random_bytes(1000).size(), 1000U);
    EXPECT_NE(random_bytes(16), random_bytes(16));
}

TEST(Random, tokens_use_every_symbol_and_no_other) {
    std::set<char> seen;
    for (const char c : random_token(10'000)) {
        seen.insert(c);
        ASSERT_TRUE((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) << int{c};
    }
    EXPECT_EQ(seen.size(), 36U);
    EXPECT_EQ(random_token(0), "");
    EXPECT_NE(random_token(12), random_token(12));
}

// 256 is no multiple of 36: taken bluntly, the first four symbols would come 14 % more often, here 4,500 times.
TEST(Random, tokens_prefer_no_symbol) {
    const auto token = random_token(360'000);
    EXPECT_NEAR(static_cast<double>(std::ranges::count_if(token, [](char c) { return c <= '3'; })), 40'000.0, 1'500.0);
}

TEST(Conditions, have_the_names_and_types_of_rfc_6120) {
    EXPECT_EQ(to_string(Condition::bad_request), "bad-request");
    EXPECT_EQ(to_string(Condition::not_authorized), "not-authorized");
    EXPECT_EQ(to_string(Condition::unexpected_request), "unexpected-request");
    EXPECT_EQ(to_string(StreamCondition::bad_format), "bad-format");
    EXPECT_EQ(to_string(StreamCondition::restricted_xml), "restricted-xml");
    EXPECT_EQ(to_string(StreamCondition::unsupported_version), "unsupported-version");
    EXPECT_EQ(error_type(Condition::jid_malformed), "modify");
    EXPECT_EQ(error_type(Condition::forbidden), "auth");
    EXPECT_EQ(error_type(Condition::service_unavailable), "cancel");
    EXPECT_EQ(error_type(Condition::resource_constraint), "wait");
}

TEST(Conditions, survive_a_number_from_the_future) {
    EXPECT_EQ(to_string(static_cast<Condition>(200)), "undefined-condition");
    EXPECT_EQ(to_string(static_cast<StreamCondition>(200)), "undefined-condition");
}
