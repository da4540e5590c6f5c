#include <string>

#include <gtest/gtest.h>

#include "modules/vcard/avatar.hpp"

namespace {

using namespace tambo;
using namespace tambo::vcard;

std::string hash_of(const std::string& photo) {
    const auto card = parse_xml("<vCard xmlns='vcard-temp'><FN>x</FN>" + photo + "</vCard>");
    return picture_hash(Element{*card, 0});
}

const std::string hash_of_hello = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";

TEST(Avatar, is_hashed_as_bytes_however_its_base64_is_broken_into_lines) {
    EXPECT_EQ(hash_of("<PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO>"), hash_of_hello);
    EXPECT_EQ(hash_of("<PHOTO><TYPE>image/png</TYPE><BINVAL>\n  aGVs\r\n\tbG8=\n</BINVAL></PHOTO>"), hash_of_hello);
}

TEST(Avatar, that_cannot_be_decoded_is_none) {
    for (const auto* photo :
         {"", "<PHOTO/>", "<PHOTO><BINVAL/></PHOTO>", "<PHOTO><BINVAL>aGVsbG8</BINVAL></PHOTO>",
          "<PHOTO><BINVAL>!!!!</BINVAL></PHOTO>", "<PHOTO><EXTVAL>http://x.lit/</EXTVAL></PHOTO>",
          "<PHOTO><BINVAL xmlns='other'>aGVsbG8=</BINVAL></PHOTO>", "<photo><binval>aGVsbG8=</binval></photo>"})
        EXPECT_EQ(hash_of(photo), "") << photo;
}

Stanza presence(const std::string& inner) { return Stanza::parse("<presence>" + inner + "</presence>").value(); }

TEST(Avatar, is_claimed_in_four_ways) {
    EXPECT_EQ(claim_of(presence("<show>away</show>")), Claim::nothing);
    EXPECT_EQ(claim_of(presence("<x xmlns='vcard-temp:x:update'/>")), Claim::not_ready);
    EXPECT_EQ(claim_of(presence("<x xmlns='vcard-temp:x:update'><photo/></x>")), Claim::no_picture);
    EXPECT_EQ(claim_of(presence("<x xmlns='vcard-temp:x:update'><photo>00</photo></x>")), Claim::picture);
}

TEST(Avatar, is_announced_once_beside_whatever_else_there_is) {
    auto stanza = presence(
        "<x xmlns='vcard-temp:x:update'><photo>00</photo></x><show>away</show><x xmlns='vcard-temp:x:update'/>");
    EXPECT_TRUE(announce(stanza, hash_of_hello));
    EXPECT_EQ(stanza.inner(),
              "<show>away</show><x xmlns='vcard-temp:x:update'><photo>" + hash_of_hello + "</photo></x>");
    EXPECT_FALSE(announce(stanza, hash_of_hello)) << "it says so already";
    EXPECT_TRUE(announce(stanza, ""));
    EXPECT_EQ(claim_of(stanza), Claim::no_picture);
    EXPECT_FALSE(announce(stanza, ""));
}

}   // namespace
