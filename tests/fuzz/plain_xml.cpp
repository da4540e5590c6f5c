// What the parser for plain stanzas accepts, expat and the framer accept, and expat writes the same tape.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "stream/framer.hpp"
#include "stream/plain_parser.hpp"
#include "stream/tape_parser.hpp"
#include "tests/fuzz/tape_listing.hpp"

using namespace tambo;

namespace {

constexpr std::string_view header =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
constexpr FrameLimits limits{.bytes = 4096, .depth = 6, .attributes = 5};
constexpr PlainParser::Bounds bounds{.depth = limits.depth, .attributes = limits.attributes};

void demand(bool kept, const char* promise, std::string_view evidence) {
    if (kept) return;
    std::fprintf(stderr, "broken: %s\n%.*s\n", promise, static_cast<int>(evidence.size()), evidence.data());
    std::abort();
}

void compare_with_expat(std::string_view element, const Tape& tape) {
    Tape other;
    const auto fault = TapeParser{header}.read(element, other);
    demand(!fault, "expat accepts it", element);
    demand(reference::listing(tape) == reference::listing(other), "both write the same tape", element);
}

void compare_with_framer(std::string_view bytes, std::size_t length) {
    Framer framer;
    framer.find(header, 0, limits);
    const auto frame = framer.find(bytes, 0, limits);
    demand(frame.found == Codec::Found::frame && frame.used == length, "the framer finds the same end", bytes);
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    Tape tape;
    const auto length = PlainParser::read(bytes, bounds, tape);
    if (length == 0) return 0;
    compare_with_expat(bytes.substr(0, length), tape);
    compare_with_framer(bytes, length);
    Tape cut;
    demand(!PlainParser::read(bytes.substr(0, length - 1), cut), "what is unfinished is not read", bytes);
    return 0;
}
