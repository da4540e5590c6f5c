// The XML codec against a plain expat parser: the same stanzas, the same refusals, wherever the bytes are cut.
//
// Byte 0 chooses the stream header, byte 1 how often the rest is cut. What was accepted has to keep its promises: it
// comes back the same after writing and reading it, and each child of a stanza means the same outside of it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <tambo/stanza.hpp>

#include "tests/fuzz/reference.hpp"

using namespace tambo;

namespace {

#define TAMBO_STREAM "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
constexpr std::array<std::string_view, 4> headers{
    TAMBO_STREAM ">",
    "<?xml version='1.0'?>" TAMBO_STREAM " to='a' xml:lang='en'>",
    TAMBO_STREAM " xmlns:p='urn:p' xmlns:q='urn:q'>",
    TAMBO_STREAM " xmlns:c='jabber:client' xmlns:p='urn:&lt;&apos;&quot;p'>",
};

constexpr FrameLimits limits{.bytes = 600, .depth = 6, .attributes = 5};

void demand(bool kept, const char* promise, const std::string& evidence) {
    if (kept) return;
    std::fprintf(stderr, "broken: %s\n%s\n", promise, evidence.c_str());
    std::abort();
}

void look_closer(const Stanza& given) {
    const auto& tape = given.tape();
    for (const auto child : Element{tape, 0}.children()) {
        const auto alone = parse_xml(child.xml());
        if (!given.tape().nodes.empty() && Element{tape, 0}.space() == ns::client)
            demand(alone && reference::events(*alone) == reference::events(tape, child.index()),
                   "a child means the same alone", std::string{child.xml()});
        for (const auto grandchild : child.children()) {
            const auto standing = parse_xml(grandchild.standalone());
            demand(standing && reference::events(*standing) == reference::events(tape, grandchild.index()),
                   "standalone() means the same alone", grandchild.standalone());
        }
    }
    Stanza stanza = given;
    if (!stanza.adopt()) return;   // an address is malformed
    const auto written = stanza.str();
    const auto again = Stanza::parse(written);
    demand(again && again->str() == written, "a stanza survives writing and reading", written);
    demand(reference::events(tape).size() >= written.size() / 64, "a tape holds what was written", written);
    stanza.append("");
    demand(reference::events(stanza.xml().tape() ? *stanza.xml().tape() : Tape{}) == reference::events(again->tape()),
           "a stanza survives an edit", written);
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto header = headers[data[0] % headers.size()];
    const std::size_t step = data[1] == 0 ? size : data[1];
    const std::string_view bytes{reinterpret_cast<const char*>(data) + 2, size - 2};

    reference::CodecStream codec{limits};
    reference::PlainStream plain{limits};
    codec.hear(header);
    plain.hear(header);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        codec.hear(bytes.substr(at, step));
        plain.hear(bytes.substr(at, step));
    }
    const auto difference = reference::disagreement(codec.outcome(), plain.outcome());
    demand(difference.empty(), "codec and plain expat agree", difference);
    for (const auto& stanza : codec.stanzas()) look_closer(stanza);
    return 0;
}
