#include "stream/framer.hpp"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

using namespace tambo;

namespace {

constexpr std::string_view header =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
using enum StreamCondition;

/// What a framer made of a stream: its frames, then the condition that ended it, if any.
struct Outcome {
    std::vector<std::string> frames;
    std::optional<StreamCondition> refused;
    std::string rest;
};

/// Gives a framer what arrives, and takes frames out as the kernel does.
class Wire {
public:
    explicit Wire(FrameLimits limits = {}) : limits_(limits) {}

    void arrive(std::string_view bytes) {
        pending_ += bytes;
        while (!outcome_.refused && !pending_.empty()) {
            const auto frame = framer_.find(pending_, seen_, limits_);
            seen_ = 0;
            if (frame.found == Codec::Found::error) outcome_.refused = frame.condition;
            if (frame.found == Codec::Found::need_more) seen_ = frame.looked;
            if (frame.found != Codec::Found::frame) break;
            if (pending_.find_first_not_of(" \r\n\t") < frame.used)
                outcome_.frames.push_back(pending_.substr(0, frame.used));
            pending_.erase(0, frame.used);
        }
        outcome_.rest = pending_;
    }
    const Outcome& outcome() const { return outcome_; }

private:
    FrameLimits limits_;
    Framer framer_;
    std::string pending_;
    std::size_t seen_ = 0;
    Outcome outcome_;
};

Outcome after(std::string_view bytes, FrameLimits limits = {}) {
    Wire wire{limits};
    wire.arrive(bytes);
    return wire.outcome();
}

Outcome in_stream(std::string_view bytes, FrameLimits limits = {}) {
    Wire wire{limits};
    wire.arrive(header);
    wire.arrive(bytes);
    return wire.outcome();
}

std::optional<StreamCondition> refusal(std::string_view bytes, FrameLimits limits = {}) {
    return in_stream(bytes, limits).refused;
}

}   // namespace

TEST(Framer, finds_the_same_frames_wherever_the_socket_cuts) {
    const std::vector<std::string> frames{
        "<?xml version='1.0'?>\n" + std::string{header},
        "<message to='romeo@montague.lit'><body>a > b, \"quoted\" 'so'</body></message>",
        "<iq/>",
        "<q><![CDATA[]></q>]]x></q>]]></q>",
        "<iq a = '>' b=\"'/>'\" ><q><![CDATA[</q>]]]>]]]]><![CDATA[>]]></q><x/></iq>",
        "<a:b xmlns:a='urn:x'\n\t/>",
        "<\xc3\xa4>\xc3\xb6</\xc3\xa4 >",
        "</stream:stream>",
    };
    std::string stream;
    for (const auto& frame : frames) stream += frame + " \r\n";
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        Wire wire;
        wire.arrive(std::string_view{stream}.substr(0, cut));
        wire.arrive(std::string_view{stream}.substr(cut));
        EXPECT_EQ(wire.outcome().frames, frames) << "cut at " << cut;
        EXPECT_FALSE(wire.outcome().refused) << "cut at " << cut;
    }
    Wire drip;
    for (const char c : stream) drip.arrive({&c, 1});
    EXPECT_EQ(drip.outcome().frames, frames);
}

TEST(Framer, waits_for_the_end_of_whatever_is_unfinished) {
    constexpr std::string_view stanza = "<m a='x>' b=\"y\"><b>t]]><![CDATA[]]></b><c/></m>";
    for (std::size_t length = 0; length < stanza.size(); ++length) {
        const auto outcome = in_stream(stanza.substr(0, length));
        EXPECT_EQ(outcome.frames.size(), 1U) << "after " << length;
        EXPECT_FALSE(outcome.refused) << "after " << length;
        EXPECT_EQ(outcome.rest.size(), length);
    }
}

TEST(Framer, gives_each_verdict_wherever_the_socket_cuts) {
    const std::pair<std::string_view, StreamCondition> cases[] = {
        {"<m><!-- x --></m>", restricted_xml},
        {"<m><?pi?></m>", restricted_xml},
        {"<m a='<'><b c='d'/ ></m>", not_well_formed},
        {"<m><![CDXTA[ ]]></m>", not_well_formed},
        {"<![CDATA[x]]>", bad_format},
        {"hello", bad_format},
        {"<m a='1' b='2' c='3' d='4'/>", policy_violation},
        {"<a><b><c><d/></c></b></a>", policy_violation},
    };
    const FrameLimits limits{.bytes = 200, .depth = 3, .attributes = 3};
    for (const auto& [bytes, condition] : cases) {
        for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
            Wire wire{limits};
            wire.arrive(header);
            wire.arrive(bytes.substr(0, cut));
            wire.arrive(bytes.substr(cut));
            EXPECT_EQ(wire.outcome().refused, condition) << bytes << " cut at " << cut;
        }
    }
}

// RFC 6120 §11.1
TEST(Framer, refuses_restricted_xml_before_it_ends) {
    EXPECT_EQ(refusal("<!-"), restricted_xml);
    EXPECT_EQ(refusal("<m>text<!-"), restricted_xml);
    EXPECT_EQ(refusal("<!DOCTYPE"), restricted_xml);
    EXPECT_EQ(refusal("<m><!ENTITY"), restricted_xml);
    EXPECT_EQ(refusal("<?"), restricted_xml);
    EXPECT_EQ(refusal("<m><?"), restricted_xml);
    EXPECT_EQ(refusal("<?xml version='1.0'?>"), restricted_xml);
    EXPECT_EQ(after("<?xml version='1.0'?><!DOCTYPE").refused, restricted_xml);
    EXPECT_EQ(after("<?xml version='1.0'?><?xml").refused, restricted_xml);
    EXPECT_EQ(after("<?xml version='1.0'?> <!--").refused, restricted_xml);
    EXPECT_EQ(after("<?evil").refused, restricted_xml);
    EXPECT_EQ(after("<?xml-stylesheet").refused, restricted_xml);
    EXPECT_EQ(after("<!DOCTYPE").refused, restricted_xml);
}

TEST(Framer, refuses_a_nul_at_once_but_only_its_own) {
    EXPECT_EQ(refusal(std::string_view{"<iq id='a\0b", 11}), not_well_formed);
    EXPECT_EQ(refusal(std::string_view{"<iq>a\0b", 7}), not_well_formed);
    EXPECT_EQ(refusal(std::string_view{"\0", 1}), not_well_formed);
    const auto outcome = in_stream(std::string_view{"<a/><b>\0", 8});
    EXPECT_EQ(outcome.frames.size(), 2U);
}

TEST(Framer, refuses_text_between_stanzas) {
    EXPECT_EQ(refusal("<iq/>x"), bad_format);
    EXPECT_EQ(refusal("&amp;"), bad_format);
    EXPECT_EQ(after("<?xml version='1.0'?>x").refused, bad_format);
}

TEST(Framer, refuses_tags_that_can_not_become_well_formed) {
    EXPECT_EQ(refusal("< iq/>"), not_well_formed);
    EXPECT_EQ(refusal("<1/>"), not_well_formed);
    EXPECT_EQ(refusal("<a <b"), not_well_formed);
    EXPECT_EQ(refusal("<a/b"), not_well_formed);
    EXPECT_EQ(refusal("<m><>"), not_well_formed);
    EXPECT_EQ(after("</stream:stream>").refused, not_well_formed);
}

TEST(Framer, knows_other_protocols_by_their_first_byte) {
    EXPECT_EQ(after("GET / HTTP/1.1\r\n").refused, bad_format);
    EXPECT_EQ(after("\x16\x03\x01").refused, bad_format);
    EXPECT_EQ(after(std::string_view{"\xff\xfe<\0", 4}).refused, unsupported_encoding);
    EXPECT_EQ(after(std::string_view{"\0<\0?", 4}).refused, unsupported_encoding);
    EXPECT_EQ(after(std::string_view{"<\0?\0", 4}).refused, not_well_formed);
    EXPECT_EQ(after("\xef\xbb\xbf<?xml version='1.0'?>").refused, bad_format);   // RFC 6120 §11.6: no byte order mark
}

// RFC 6120 §4.8.5
TEST(Framer, wants_the_stream_tag_first) {
    EXPECT_EQ(after("<message xmlns='jabber:client' to='x'/>").refused, bad_format);
    EXPECT_EQ(after("<stream:streams>").refused, bad_format);
    EXPECT_EQ(after("<stream:stream/>").refused, bad_format);
    EXPECT_EQ(after("<stream xmlns='http://etherx.jabber.org/streams'>").refused, bad_namespace_prefix);
    EXPECT_EQ(after("<?xml version='1.0'?><s:stream>").refused, bad_namespace_prefix);
    EXPECT_EQ(after("\n<stream:stream\n>").frames.size(), 1U);
}

TEST(Framer, refuses_a_stream_within_a_stream_without_waiting_for_its_end) {
    EXPECT_EQ(refusal(header), unsupported_stanza_type);
    EXPECT_EQ(refusal("<stream:stream>"), unsupported_stanza_type);
    EXPECT_FALSE(refusal("<stream:streams>"));
    EXPECT_FALSE(refusal("<m><stream:stream>"));
}

TEST(Framer, takes_nothing_behind_the_end_of_the_stream_but_white_space) {
    EXPECT_FALSE(refusal("</stream:stream>\n \n"));
    EXPECT_EQ(refusal("</stream:stream><iq/>"), not_well_formed);
}

TEST(Framer, keeps_no_white_space_and_bounds_it_before_the_header) {
    Wire wire;
    wire.arrive(header);
    for (int i = 0; i < 1000; ++i) {
        wire.arrive(std::string(100, ' '));
        ASSERT_EQ(wire.outcome().rest, "");
    }
    EXPECT_FALSE(wire.outcome().refused);

    Wire early{{.bytes = 1000}};
    for (int i = 0; i < 10; ++i) early.arrive(std::string(100, '\n'));
    EXPECT_FALSE(early.outcome().refused);
    early.arrive("\n");
    EXPECT_EQ(early.outcome().refused, policy_violation);
}

TEST(Framer, holds_each_frame_to_the_limit_of_its_bytes) {
    const std::string exact = "<m>" + std::string(193, 'x') + "</m>";
    ASSERT_EQ(exact.size(), 200U);
    for (std::size_t cut = 0; cut <= exact.size(); cut += 20) {
        Wire fits{{.bytes = 200}};
        fits.arrive(header);
        fits.arrive(exact.substr(0, cut));
        fits.arrive(exact.substr(cut));
        EXPECT_FALSE(fits.outcome().refused) << "cut at " << cut;
        Wire tight{{.bytes = 199}};
        tight.arrive(header);
        tight.arrive(exact.substr(0, cut));
        tight.arrive(exact.substr(cut));
        EXPECT_EQ(tight.outcome().refused, policy_violation) << "cut at " << cut;
    }
    EXPECT_EQ(after("<stream:stream to='" + std::string(10'240, 'd')).refused, policy_violation);
    EXPECT_EQ(after("<?xml " + std::string(10'240, ' ')).refused, policy_violation);
    EXPECT_EQ(refusal("<" + std::string(10'240, 'A')), policy_violation);
}

TEST(Framer, counts_depth_and_attributes_for_each_element) {
    const FrameLimits limits{.bytes = 1000, .depth = 3, .attributes = 2};
    EXPECT_FALSE(refusal("<a><b><c/></b><b><c></c></b></a>", limits));
    EXPECT_EQ(refusal("<a><b><c><d", limits), std::nullopt);
    EXPECT_EQ(refusal("<a><b><c><d>", limits), policy_violation);
    EXPECT_EQ(refusal("<a><b><c><d/>", limits), policy_violation);
    EXPECT_FALSE(refusal("<a b='' c=''><d e='' f=''/></a>", limits));
    EXPECT_EQ(refusal("<a b='' xmlns:c='' d='", limits), policy_violation);
}

TEST(Framer, is_a_few_bytes_that_can_be_copied_between_any_two_calls) {
    static_assert(std::is_trivially_copyable_v<Framer>);
    constexpr std::string_view stanza = "<m a='x'><![CDATA[]]]]><b/></m>";
    Framer framer;
    ASSERT_EQ(framer.find(header, 0, {}).found, Codec::Found::frame);
    for (std::size_t length = 1; length < stanza.size(); ++length) {
        ASSERT_EQ(framer.find(stanza.substr(0, length), length - 1, {}).found, Codec::Found::need_more);
        Framer copy = framer;
        const auto frame = copy.find(stanza, length, {});
        EXPECT_EQ(frame.found, Codec::Found::frame);
        EXPECT_EQ(frame.used, stanza.size());
    }
}
