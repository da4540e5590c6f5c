// The fixed stanza path: two users on one shard, with all that contrib/serve loads, tell each other the same things
// over and over, without sockets, threads or time. What one message costs between a read and a write, whatever the
// machine does meanwhile:
//
//   path_bench [--messages N] [--batch N] [--wire xml|funxmpp] [--acknowledged yes]
//                                              prints allocations and CPU time per message
//   valgrind --tool=callgrind --collect-atstart=no --toggle-collect='exchange*' path_bench --messages 20000
//
// A batch is what one read brings. With --acknowledged, both use XEP-0198 (in XML) and answer each <r/>.
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <tambo/client.hpp>
#include <tambo/server.hpp>

#include "../funxmpp/allocations.hpp"
#include "decoder.hpp"
#include "encoder.hpp"
#include "framing.hpp"
#include "slots.hpp"
#include "xml_out.hpp"

namespace {

using namespace tambo;

constexpr std::size_t body_bytes = 100;
constexpr Duration patience{60'000};

struct Wishes {
    std::size_t messages = 20'000, batch = 10;
    bool funxmpp = false;   // with the page
    bool acknowledged = false;
};

/// It is always the same moment.
class StandingClock final : public Clock {
public:
    Time now() const noexcept override { return Time{std::chrono::milliseconds{1'700'000'000'000}}; }
    Duration steady() const noexcept override { return Duration{1'000'000}; }
};

Config configuration() {
    Config config;
    config.domain("localhost").set("server", "data", "");
    config.set("server", "module_path", TAMBO_BINARY_DIR "/modules, " TAMBO_BINARY_DIR "/plugins");
    config.set("server", "plugins", "store_memory, auth_store");
    for (const auto* module : {"starttls",  "sasl",        "bind",     "stream_management",
                               "ticks",     "blocking",    "roster",   "presence",
                               "last_seen", "offline",     "receipts", "vcard",
                               "private",   "carbons",     "csi",      "typing",
                               "disco",     "ping",        "register", "version",
                               "limits",    "portability", "metrics",  "status",
                               "time",      "contact",     "caps",     "adhoc",
                               "admin",     "announce",    "funxmpp"})
        config.module(module);
    config.set("limits", "read_rate", "0");
    return config;
}

/// How a client writes: as it says it.
class Wire {
public:
    virtual ~Wire() = default;
    virtual std::string header() {
        return "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "
               "to='localhost'>";
    }
    virtual std::string element(std::string_view xml) { return std::string{xml}; }
    virtual std::string read(std::string_view bytes) { return std::string{bytes}; }   ///< as XML
};

/// In frames, from the first byte.
class FunXmppWire final : public Wire {
public:
    std::string header() override {
        in_ = out_ = {};   // a stream begins, or begins anew
        std::string bytes{std::exchange(has_begun_, true) ? std::string_view{} : funxmpp::prologue(dialect)};
        constexpr std::array<funxmpp::Attribute, 2> attributes{{{"to", "localhost"}, {"version", "1.0"}}};
        frame(bytes, [&] { return encoder_.encode_start(attributes, bytes, &out_); });
        return bytes;
    }
    std::string element(std::string_view xml) override {
        std::string bytes;
        const auto tape = parse_xml(xml).value();
        frame(bytes, [&] { return encoder_.encode(tape, bytes, &out_); });
        return bytes;
    }
    std::string read(std::string_view bytes) override {
        std::string xml;
        received_ += bytes;
        for (;;) {
            const auto found = funxmpp::find_frame(received_, dialect, most);
            if (found.state != funxmpp::Found::State::whole) return xml;
            if (decoder_.decode(found.payload, tape_, &in_).kind == funxmpp::Decoded::Kind::node &&
                funxmpp::write_inner(tape_, most))
                funxmpp::write_xml(tape_, xml);
            received_.erase(0, found.used);
        }
    }

private:
    static constexpr auto dialect = funxmpp::Dialect::page;
    static constexpr std::size_t most = 0xf'ffff;

    template <class Encode>
    static void frame(std::string& bytes, Encode&& encode) {
        const auto opened = funxmpp::open_frame(bytes);
        if (!encode() || !funxmpp::close_frame(bytes, opened, dialect, most))
            throw std::runtime_error{"more than FunXMPP can say"};
    }

    funxmpp::Slots in_, out_;
    funxmpp::Encoder encoder_{dialect};
    funxmpp::Decoder decoder_{dialect};
    Tape tape_;
    std::string received_;
    bool has_begun_ = false;
};

/// A client that looks at nothing once it is in.
class User {
public:
    User(Server& server, std::string_view name, std::unique_ptr<Wire> wire, bool acknowledges)
        : server_(server), pipe_(server.connect_in_process()), wire_(std::move(wire)), acknowledges_(acknowledges) {
        if (!server.add_user(fmt::format("{}@localhost", name), "secret")) throw std::runtime_error{"no account"};
        put(wire_->header());
        hear("</stream:features>");
        say(fmt::format("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>", plain(name)));
        hear("<success");
        put(wire_->header());
        hear("</stream:features>");
        say("<iq type='set' id='b'><bind "
            "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>here</resource></bind></iq>");
        hear("</iq>");
        say("<presence/>");
        hear("<presence");
        if (!acknowledges_) return;
        say("<enable xmlns='urn:xmpp:sm:3'/>");
        hear("<enabled");
    }

    /// As it is once the addresses have been said.
    std::string again(const std::vector<std::string>& stanzas) {
        std::string words;
        for (const auto& each : stanzas) say(each);
        for (const auto& each : stanzas) words += wire_->element(each);
        return words;
    }
    void put(std::string_view bytes) {
        if (!pipe_.write_all(bytes, patience)) throw std::runtime_error{"the server has closed"};
    }
    /// `count` messages; says how many bytes those were.
    std::size_t hear_all(std::size_t count) {
        const auto heard = pipe_.read();
        heard_ += count;
        if (acknowledges_ && heard.find("<r xmlns") != std::string::npos)
            say(fmt::format("<a xmlns='urn:xmpp:sm:3' h='{}'/>", heard_));
        return heard.size();
    }

private:
    void say(std::string_view xml) { put(wire_->element(xml)); }
    void hear(std::string_view words) {
        std::string heard;
        while (heard.find(words) == std::string::npos) {
            server_.poll(Duration{1});
            heard += wire_->read(pipe_.read());
            if (pipe_.at_end()) throw std::runtime_error{"the server has closed: " + heard};
        }
    }
    /// Base64 of \0NAME\0secret, for names of two letters.
    static std::string plain(std::string_view name) {
        constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const auto bytes = fmt::format("{}{}{}secret", '\0', name, '\0');
        std::string text;
        unsigned bits = 0, rest = 0;
        for (const char c : bytes) {
            rest = (rest << 8U) | static_cast<unsigned char>(c);
            for (bits += 8; bits >= 6; bits -= 6) text += digits[(rest >> (bits - 6)) & 63U];
        }
        if (bits > 0) text += digits[(rest << (6 - bits)) & 63U];
        while (text.size() % 4 != 0) text += '=';
        return text;
    }

    Server& server_;
    Pipe pipe_;
    std::unique_ptr<Wire> wire_;
    bool acknowledges_;
    std::size_t heard_ = 0;
};

std::vector<std::string> batch_for(std::string_view name, std::size_t count) {
    std::vector<std::string> stanzas;
    for (std::size_t i = 0; i < count; ++i)
        stanzas.push_back(
            fmt::format("<message type='chat' to='{}@localhost/here' id='m{:08x}'><body>{}</body></message>", name, i,
                        std::string(body_bytes - 1, 'x') + '.'));   // no base64, as most that people say
    return stanzas;
}

void settle(Server& server) {
    while (server.poll(Duration::zero()) > 0) {
    }
}

}   // namespace

/// Named for callgrind. Each gets as many as the other; says how many bytes came through.
[[gnu::noinline]] std::size_t exchange(tambo::Server& server, User& one, std::string_view to_one, User& other,
                                       std::string_view to_other, std::size_t batch, std::size_t rounds) {
    std::size_t heard = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        one.put(to_other);
        other.put(to_one);
        settle(server);
        heard += one.hear_all(batch) + other.hear_all(batch);
    }
    return heard;
}

namespace {

Wishes read_wishes(const std::vector<std::string_view>& words) {
    Wishes wishes;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        if (words[i] == "--wire") {
            wishes.funxmpp = words[i + 1] == "funxmpp";
            continue;
        }
        if (words[i] == "--acknowledged") {
            wishes.acknowledged = words[i + 1] == "yes";
            continue;
        }
        std::size_t n = 0;
        std::from_chars(words[i + 1].data(), words[i + 1].data() + words[i + 1].size(), n);
        if (n == 0) throw std::runtime_error{fmt::format("{} takes a number", words[i])};
        if (words[i] == "--messages") wishes.messages = n;
        if (words[i] == "--batch") wishes.batch = n;
    }
    if (wishes.funxmpp && wishes.acknowledged) throw std::runtime_error{"--acknowledged is for XML"};
    return wishes;
}

std::unique_ptr<Wire> wire(const Wishes& wishes) {
    if (wishes.funxmpp) return std::make_unique<FunXmppWire>();
    return std::make_unique<Wire>();
}

void run(const Wishes& wishes) {
    Server::Options options;
    options.clock = std::make_shared<StandingClock>();   // shared with the server
    options.manual_timers = !wishes.acknowledged;        // the journal has a window where time passes
    options.own_threads = false;
    options.log = [](Level, std::string_view) {};
    Server server{configuration(), std::move(options)};
    server.start();
    {
        User romeo{server, "ro", wire(wishes), wishes.acknowledged},
            juliet{server, "ju", wire(wishes), wishes.acknowledged};
        const auto to_romeo = juliet.again(batch_for("ro", wishes.batch)),
                   to_juliet = romeo.again(batch_for("ju", wishes.batch));
        settle(server);
        romeo.hear_all(wishes.batch);
        juliet.hear_all(wishes.batch);
        const auto rounds = wishes.messages / (2 * wishes.batch);
        constexpr std::size_t warming = 1000;   // pools fill
        for (std::size_t i = 0; i < warming; ++i) {
            romeo.put(to_juliet);
            juliet.put(to_romeo);
            settle(server);
            if (romeo.hear_all(wishes.batch) < to_juliet.size() || juliet.hear_all(wishes.batch) < to_romeo.size())
                throw std::runtime_error{"messages are missing"};
        }
        const auto before = allocations;
        const auto began = std::clock();
        const auto bytes = exchange(server, romeo, to_romeo, juliet, to_juliet, wishes.batch, rounds);
        const auto took = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
        const auto messages = static_cast<double>(2 * wishes.batch * rounds);
        fmt::print("{:.0f} messages, {} bytes to their readers: {:.2f} allocations and {:.3f} us of CPU each\n",
                   messages, bytes, static_cast<double>(allocations - before) / messages, took / messages * 1e6);
    }
    server.stop();
    server.wait();
}

}   // namespace

int main(int argc, char** argv) {
    try {
        run(read_wishes({argv + 1, argv + argc}));
        return 0;
    } catch (const std::exception& e) {
        fmt::print(stderr, "path_bench: {}\n", e.what());
        return 1;
    }
}
