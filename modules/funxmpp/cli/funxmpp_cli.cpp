// funxmpp-cli: the codec for pipes, and a client that speaks it (funxmpp-cli(1)).
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "decoder.hpp"
#include "encoder.hpp"
#include "hex.hpp"
#include "session.hpp"
#include "tree_json.hpp"

namespace {

using namespace tambo::funxmpp;

constexpr std::string_view usage = R"(funxmpp-cli login|send|listen …   (funxmpp-cli login --help)
funxmpp-cli decode --dialect classic|md|page
funxmpp-cli encode --dialect classic|md|page [--policy plain|packed]

decode: one payload in hexadecimal a line (a frame without its header) becomes one tree in JSON a line, or
        {"error": CODE, "stream_error": CONDITION, "offset": N}.
encode: the reverse. --policy plain leaves numbers as they are (classic only; packed is the default).

The lines are one stream, in order: in the page dialect, session tokens hold from one line to the next.
A line that is neither hexadecimal nor a tree gives the code BAD_INPUT; man/funxmpp.md lists the others.
)";

constexpr std::string_view bad_input = R"({"error":"BAD_INPUT","stream_error":"","offset":0})";

constexpr std::size_t most_text = std::size_t{256} << 20;   // whoever pipes this knows what is in it

struct Wish {
    bool decodes = false;
    Dialect dialect = Dialect::classic;
    Packing packing = Packing::packed;
};

std::optional<Wish> understand(const std::vector<std::string_view>& words) {
    const std::map<std::string_view, Dialect> dialects{
        {"classic", Dialect::classic}, {"md", Dialect::md}, {"page", Dialect::page}};
    const std::map<std::string_view, Packing> policies{{"plain", Packing::plain}, {"packed", Packing::packed}};
    if (words.empty() || words.size() % 2 == 0 || (words[0] != "decode" && words[0] != "encode")) return std::nullopt;
    Wish wish{.decodes = words[0] == "decode"};
    bool has_dialect = false;
    for (std::size_t i = 1; i < words.size(); i += 2) {
        const auto dialect = dialects.find(words[i + 1]);
        const auto policy = policies.find(words[i + 1]);
        if (words[i] == "--dialect" && dialect != dialects.end()) {
            wish.dialect = dialect->second;
            has_dialect = true;
        } else if (words[i] == "--policy" && policy != policies.end() && !wish.decodes) {
            wish.packing = policy->second;
        } else {
            return std::nullopt;
        }
    }
    return has_dialect ? std::optional{wish} : std::nullopt;
}

class Pipe {
public:
    explicit Pipe(const Wish& wish)
        : wish_(wish), decoder_(wish.dialect, {.text = most_text}), encoder_(wish.dialect, wish.packing) {}

    std::string answer(const std::string& line) { return wish_.decodes ? decode(line) : encode(line); }

private:
    std::string decode(const std::string& line) {
        const auto payload = from_hex(line);
        if (!payload) return std::string{bad_input};
        return tree_to_json(decoder_.decode_raw(*payload, tape_, &slots_), tape_, wish_.dialect);
    }

    std::string encode(const std::string& line) {
        std::string out;
        const auto read = tree_from_json(line, tape_);
        bool is_good = read.kind != Decoded::Kind::error;
        if (read.kind == Decoded::Kind::node) is_good = encoder_.encode(tape_, out, &slots_);
        if (read.kind == Decoded::Kind::start) is_good = encoder_.encode_start(tape_, out, &slots_);
        if (read.kind == Decoded::Kind::end) encoder_.encode_end(out);
        return is_good ? to_hex(out) : std::string{bad_input};
    }

    Wish wish_;
    Decoder decoder_;
    Encoder encoder_;
    Slots slots_;
    tambo::Tape tape_;
};

int hold_session(int count, const char* const* arguments) {
    try {
        SessionWish wish;
        const int code = understand(count, arguments, wish);
        return code < 0 ? Session{wish}.run() : code;
    } catch (const std::exception& error) {
        std::cerr << "funxmpp-cli: " << error.what() << '\n';
        return 1;
    }
}

}   // namespace

int main(int count, char** arguments) {
    using namespace std::string_view_literals;
    if (count > 1 && (arguments[1] == "login"sv || arguments[1] == "send"sv || arguments[1] == "listen"sv))
        return hold_session(count, arguments);
    const auto wish = understand({arguments + 1, arguments + count});
    if (!wish) {
        std::cerr << usage;
        return 2;
    }
    std::ios::sync_with_stdio(false);
    Pipe pipe{*wish};
    for (std::string line; std::getline(std::cin, line);) {
        if (line.ends_with('\r')) line.pop_back();
        std::cout << pipe.answer(line) << '\n' << std::flush;
    }
    return 0;
}
