// What the kernel does with each stanza between two sockets: frame, parse, look, stamp and write. No sockets, no
// router.
//
// stanza_bench [--benchmark_filter=…]
//
// With TAMBO_ROUNDS=N in its environment each stage runs exactly N times, so that instructions can be counted:
//   TAMBO_ROUNDS=1000 valgrind --tool=callgrind --callgrind-out-file=out tests/bench/stanza_bench
//   callgrind_annotate --inclusive=yes out | grep stage_
#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include <tambo/stanza.hpp>

#include "stream/xml_codec.hpp"

namespace {

using namespace tambo;

constexpr std::string_view header =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

struct Sample {
    const char* name;
    std::string xml;
};

const std::array<Sample, 4>& samples() {
    static const std::array<Sample, 4> all{{
        {"plain",
         "<message type='chat' to='u17@localhost/x' id='m1234'><body>" + std::string(100, 'x') + "</body></message>"},
        {"chat",
         "<message xml:lang='en' to='romeo@montague.example/orchard' type='chat' id='5d8a1c2e'>"
         "<body>Wherefore art thou &quot;Romeo&quot;? D\xc3\xa9nie ton p\xc3\xa8re &amp; refuse ton nom.</body>"
         "<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>"
         "<origin-id xmlns='urn:xmpp:sid:0' id='5d8a1c2e'/></message>"},
        {"presence",
         "<presence><show>away</show><status>in the garden</status><priority>5</priority>"
         "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' "
         "ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>"},
        {"iq",
         "<iq type='set' id='roster-1'><query xmlns='jabber:iq:roster'><item jid='romeo@montague.example' "
         "name='Romeo'><group>Friends</group></item></query></iq>"},
    }};
    return all;
}

/// A stream that is open, and the stanza that comes next, as far as the stage needs it.
class Line {
public:
    Line() {
        codec_->find(header, 0, stream_, limits_);
        codec_->decode(header, limits_, stream_, header_, stanza);
    }
    std::string_view frame(std::string_view bytes) {
        return bytes.substr(0, codec_->find(bytes, 0, stream_, limits_).used);
    }
    void parse(std::string_view frame) { codec_->decode(frame, limits_, stream_, header_, stanza); }
    void write() {
        out.clear();
        codec_->write(out, stanza, stream_);
    }

    Stanza stanza;
    std::string out;

private:
    std::unique_ptr<Codec> codec_ = make_xml_codec();
    FrameLimits limits_{.bytes = 262'144};
    Codec::Stream stream_{};
    StreamHeader header_;
};

/// What modules commonly ask, most of which is not there.
int look_at(const Stanza& stanza) {
    int there = stanza.is_error() + stanza.is_request() + !stanza.id().empty() + !stanza.body().empty();
    there += stanza.payload().name() == "query" && stanza.payload().space() == "jabber:iq:roster";
    there += stanza.has("private", "urn:xmpp:carbons:2") + stanza.has("no-copy", "urn:xmpp:hints");
    there += stanza.has("request", "urn:xmpp:receipts") + stanza.has("received", "urn:xmpp:receipts");
    there += stanza.has("store", "urn:xmpp:hints") + stanza.has("c", "http://jabber.org/protocol/caps");
    there += static_cast<bool>(stanza.xml().child_in("http://jabber.org/protocol/chatstates"));
    for (const auto child : stanza.xml().children()) there += child.is("origin-id", "urn:xmpp:sid:0");
    return there;
}

const Jid& sender() {
    static const Jid jid = *Jid::parse("juliet@capulet.example/balcony");
    return jid;
}
const Jid& receiver() {
    static const Jid jid = *Jid::parse("romeo@montague.example/orchard");
    return jid;
}

[[gnu::noinline]] void stage_frame(benchmark::State& state, const Sample& sample) {
    Line line;
    for (auto _ : state) benchmark::DoNotOptimize(line.frame(sample.xml));
}

[[gnu::noinline]] void stage_parse(benchmark::State& state, const Sample& sample) {
    Line line;
    for (auto _ : state) {
        line.parse(sample.xml);
        benchmark::DoNotOptimize(line.stanza.tape().nodes.data());
    }
}

[[gnu::noinline]] void stage_adopt(benchmark::State& state, const Sample& sample) {
    Line line;
    line.parse(sample.xml);
    for (auto _ : state) benchmark::DoNotOptimize(line.stanza.adopt(false));
}

[[gnu::noinline]] void stage_look(benchmark::State& state, const Sample& sample) {
    Line line;
    line.parse(sample.xml);
    benchmark::DoNotOptimize(line.stanza.adopt(false));
    for (auto _ : state) benchmark::DoNotOptimize(look_at(line.stanza));
}

[[gnu::noinline]] void stage_write(benchmark::State& state, const Sample& sample) {
    Line line;
    line.parse(sample.xml);
    benchmark::DoNotOptimize(line.stanza.adopt(false));
    for (auto _ : state) {
        line.stanza.set_from(sender());
        line.stanza.set_to(receiver());
        line.write();
        benchmark::DoNotOptimize(line.out.data());
    }
}

[[gnu::noinline]] void stage_all(benchmark::State& state, const Sample& sample) {
    Line line;
    for (auto _ : state) {
        line.parse(line.frame(sample.xml));
        benchmark::DoNotOptimize(line.stanza.adopt(false));
        benchmark::DoNotOptimize(look_at(line.stanza));
        line.stanza.set_from(sender());
        line.stanza.set_to(receiver());
        line.write();
        benchmark::DoNotOptimize(line.out.data());
    }
}

/// A stanza that was kept as text comes back (journal, offline, an edit by a module).
[[gnu::noinline]] void stage_reread(benchmark::State& state, const Sample& sample) {
    for (auto _ : state) benchmark::DoNotOptimize(Stanza::parse(sample.xml));
}

using Stage = void (*)(benchmark::State&, const Sample&);
constexpr std::array<std::pair<const char*, Stage>, 7> stages{{{"frame", stage_frame},
                                                               {"parse", stage_parse},
                                                               {"adopt", stage_adopt},
                                                               {"look", stage_look},
                                                               {"write", stage_write},
                                                               {"all", stage_all},
                                                               {"reread", stage_reread}}};

}   // namespace

int main(int count, char** words) {
    const auto* rounds = std::getenv("TAMBO_ROUNDS");
    for (const auto& sample : samples()) {
        for (const auto& [what, stage] : stages) {
            const auto name = std::string{sample.name} + "/" + what;
            auto* added = benchmark::RegisterBenchmark(
                name.c_str(), [stage = stage, &sample](benchmark::State& state) { stage(state, sample); });
            if (rounds != nullptr) added->Iterations(std::atol(rounds));
        }
    }
    benchmark::Initialize(&count, words);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
