// The binary wire beside XML and compression, for each of the ten ordinary stanzas: nanoseconds and bytes.
//
// funxmpp_bench [--benchmark_filter=…]
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>
#include <zlib.h>
#include <zstd.h>

#include <benchmark/benchmark.h>

#include <tambo/stanza.hpp>

#include "../funxmpp/allocations.hpp"
#include "decoder.hpp"
#include "encoder.hpp"
#include "stream/reader.hpp"
#include "stream/tape_parser.hpp"
#include "xml_out.hpp"

namespace {

using namespace tambo;
using namespace tambo::funxmpp;

struct Sample {
    std::string name, xml;
};

std::vector<Sample> read_samples() {
    std::ifstream in{std::string{TAMBO_SOURCE_DIR} + "/tests/data/funxmpp-stanzas.tsv"};
    std::vector<Sample> samples;
    for (std::string line; std::getline(in, line);) {
        const auto tab = line.find('\t');
        auto name = std::to_string(samples.size() + 1) + " " + line.substr(0, tab);
        samples.push_back({std::move(name), line.substr(tab + 1)});
    }
    return samples;
}

const std::vector<Sample>& samples() {
    static const auto all = read_samples();
    return all;
}

Tape parsed(const std::string& xml) {
    Tape tape;
    Reader{}.read(xml, {}, xml.size(), tape);
    return tape;
}

/// Runs `step` as benchmark, with its bytes and its allocations when warm.
template <class Step>
void measure(benchmark::State& state, std::size_t bytes, const Step& step) {
    step();
    const auto before = allocations;
    for (auto _ : state) step();
    state.counters["bytes"] = static_cast<double>(bytes);
    state.counters["allocations"] = static_cast<double>(allocations - before) / static_cast<double>(state.iterations());
}

/// By expat, whatever is in it.
void expat_parse(benchmark::State& state, const Sample& sample) {
    auto parser = std::make_unique<TapeParser>(
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
    Tape tape;
    measure(state, sample.xml.size(), [&] {
        parser->read(sample.xml, tape);
        benchmark::DoNotOptimize(tape.nodes.data());
    });
}

/// As the server does it.
void xml_parse(benchmark::State& state, const Sample& sample) {
    auto reader = std::make_unique<Reader>();
    Tape tape;
    measure(state, sample.xml.size(), [&] {
        reader->read(sample.xml, {}, sample.xml.size(), tape);
        benchmark::DoNotOptimize(tape.nodes.data());
    });
}

/// From the tape, as the server writes a stanza: its own attributes anew, the content as it is.
void xml_write(benchmark::State& state, const Sample& sample) {
    const auto stanza = Stanza::parse(sample.xml).value();
    std::string out;
    measure(state, sample.xml.size(), [&] {
        out.clear();
        stanza.write(out);
        benchmark::DoNotOptimize(out.data());
    });
}

/// Payloads of a stream that has met its peers: the second time that a stanza is sent.
struct Payload {
    Payload(const Sample& sample, Dialect dialect) : tape(parsed(sample.xml)), encoder(dialect) {
        std::string first;
        encoder.encode(tape, first, &sent);
        Tape scratch;
        Decoder{dialect}.decode(first, scratch, &heard);
        encoder.encode(tape, bytes, &sent);
    }
    Tape tape;
    Encoder encoder;
    Slots sent, heard;
    std::string bytes;
};

void decode(benchmark::State& state, const Sample& sample, Dialect dialect, bool with_inner) {
    Payload payload{sample, dialect};
    const auto decoder = std::make_unique<Decoder>(dialect);
    Tape tape;
    measure(state, payload.bytes.size(), [&] {
        decoder->decode(payload.bytes, tape, &payload.heard);
        if (with_inner) write_inner(tape, Limits{}.text);
        benchmark::DoNotOptimize(tape.nodes.data());
    });
}

void encode(benchmark::State& state, const Sample& sample, Dialect dialect) {
    Payload payload{sample, dialect};
    std::string out;
    measure(state, payload.bytes.size(), [&] {
        out.clear();
        payload.encoder.encode(payload.tape, out, &payload.sent);
        benchmark::DoNotOptimize(out.data());
    });
}

/// Each stanza alone, level 6.
void zlib_compress(benchmark::State& state, const Sample& sample) {
    constexpr int level = 6;
    std::vector<Bytef> out(compressBound(sample.xml.size()));
    uLongf size = 0;
    const auto step = [&] {
        size = out.size();
        compress2(out.data(), &size, reinterpret_cast<const Bytef*>(sample.xml.data()), sample.xml.size(), level);
    };
    step();
    measure(state, size, step);
}

/// What stanzas are made of, most frequent last, as a dictionary wants it. Raw content: no training set to overfit.
const std::string& skeletons() {
    static const std::string text =
        "<query xmlns=\"http://jabber.org/protocol/disco#info\"><identity category=\"client\" type=\"phone\" name=\""
        "<feature var=\"http://jabber.org/protocol/<feature var=\"urn:xmpp:<query xmlns=\"jabber:iq:roster\" ver=\""
        "<item jid=\"\" name=\"\" subscription=\"both\"><group>Friends</group></item>"
        "<c xmlns=\"http://jabber.org/protocol/caps\" hash=\"sha-1\" node=\"\" ver=\"\"/><ping "
        "xmlns=\"urn:xmpp:ping\"/>"
        "<displayed xmlns=\"urn:xmpp:chat-markers:0\" id=\"<received xmlns=\"urn:xmpp:receipts\" id=\""
        "<store xmlns=\"urn:xmpp:hints\"/><request xmlns=\"urn:xmpp:receipts\"/>"
        "<markable xmlns=\"urn:xmpp:chat-markers:0\"/><origin-id xmlns=\"urn:xmpp:sid:0\" id=\""
        "<composing xmlns=\"http://jabber.org/protocol/chatstates\"/><active "
        "<presence from=\"<iq type=\"result\" id=\"<iq type=\"get\" id=\"<message from=\"@im.example.com/Conversations."
        "\" to=\"\" type=\"chat\" id=\"\"><body></body></message></query></iq>";
    return text;
}

void zstd_compress(benchmark::State& state, const Sample& sample) {
    constexpr int level = 3;
    const std::unique_ptr<ZSTD_CDict, decltype(&ZSTD_freeCDict)> dictionary{
        ZSTD_createCDict(skeletons().data(), skeletons().size(), level), ZSTD_freeCDict};
    const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context{ZSTD_createCCtx(), ZSTD_freeCCtx};
    std::vector<char> out(ZSTD_compressBound(sample.xml.size()));
    std::size_t size = 0;
    const auto step = [&] {
        size = ZSTD_compress_usingCDict(context.get(), out.data(), out.size(), sample.xml.data(), sample.xml.size(),
                                        dictionary.get());
    };
    step();
    measure(state, size, step);
}

void register_all() {
    const auto add = [](const Sample& sample, const std::string& what, auto run) {
        benchmark::RegisterBenchmark((sample.name + "/" + what).c_str(), run);
    };
    for (const auto& sample : samples()) {
        add(sample, "expat parse", [&sample](benchmark::State& s) { expat_parse(s, sample); });
        add(sample, "xml parse", [&sample](benchmark::State& s) { xml_parse(s, sample); });
        add(sample, "xml write", [&sample](benchmark::State& s) { xml_write(s, sample); });
        for (const auto& [name, dialect] :
             {std::pair{"classic", Dialect::classic}, std::pair{"md", Dialect::md}, std::pair{"page", Dialect::page}}) {
            const std::string of = name;
            const auto d = dialect;
            add(sample, of + " decode", [&sample, d](benchmark::State& s) { decode(s, sample, d, false); });
            add(sample, of + " decode, inner", [&sample, d](benchmark::State& s) { decode(s, sample, d, true); });
            add(sample, of + " encode", [&sample, d](benchmark::State& s) { encode(s, sample, d); });
        }
        add(sample, "zlib", [&sample](benchmark::State& s) { zlib_compress(s, sample); });
        add(sample, "zstd+dictionary", [&sample](benchmark::State& s) { zstd_compress(s, sample); });
    }
}

}   // namespace

int main(int count, char** arguments) {
    register_all();
    benchmark::Initialize(&count, arguments);
    if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
    benchmark::RunSpecifiedBenchmarks();
}
