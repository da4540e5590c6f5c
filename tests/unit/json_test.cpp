#include "server/json.hpp"

#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace tambo;

TEST(Json, puts_commas_between_values_and_nowhere_else) {
    Json json;
    json.object().member("a", 1).list("b").value(true).value("x").list().end_list().object().end().end_list();
    json.member("c", std::string{"y"}).object("d").member("e", false).end().end();
    EXPECT_EQ(json.take(), R"({"a":1,"b":[true,"x",[],{}],"c":"y","d":{"e":false}})");
}

TEST(Json, remembers_what_left_in_an_earlier_piece) {
    Json json;
    auto text = json.object().list("users").value("a@b").take();
    text += json.value("c@d").take();
    text += json.end_list().end().take();
    EXPECT_EQ(text, R"({"users":["a@b","c@d"]})");
}

TEST(Json, is_valid_whatever_the_text) {
    Json json;
    json.object().member("\"\\\n", "\x01\x7f\xff\xc3\xa9\u202e").end();
    EXPECT_EQ(json.take(), "{\"\\\"\\\\\\u000a\":\"\\u0001\\u007f\\ufffd\xc3\xa9\\u202e\"}");
}

TEST(Json, has_no_number_for_what_is_not_finite) {
    Json json;
    json.list()
        .value(1.5)
        .value(std::numeric_limits<double>::infinity())
        .value(std::numeric_limits<double>::quiet_NaN());
    EXPECT_EQ(json.end_list().take(), "[1.500,null,null]");
}

}   // namespace
