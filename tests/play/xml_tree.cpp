#include "xml_tree.hpp"

#include <algorithm>
#include <stdexcept>

#include <climits>
#include <expat.h>

namespace play {

namespace {

void escape(std::string& out, std::string_view text) {
    for (const char c : text) {
        switch (c) {
            case '<':
                out += "&lt;";
                break;
            case '&':
                out += "&amp;";
                break;
            case '\'':
                out += "&apos;";
                break;
            default:
                out += c;
        }
    }
}

void write(std::string& out, const Node& node, std::string_view outer) {
    out += '<' + node.name;
    if (!node.space.empty() && node.space != outer && node.space != "jabber:client") {
        out += " xmlns='";
        escape(out, node.space);
        out += '\'';
    }
    for (const auto& [name, value] : node.attributes) {
        out += ' ' + name + "='";
        escape(out, value);
        out += '\'';
    }
    if (node.children.empty() && node.text.empty()) {
        out += "/>";
        return;
    }
    out += '>';
    escape(out, node.text);
    for (const auto& child : node.children) write(out, child, node.space.empty() ? outer : node.space);
    out += "</" + node.name + '>';
}

/// Builds nodes from expat's callbacks. Level 0 is the stream (or the synthetic root of a fragment).
struct Builder {
    Node root;
    std::vector<Node> open;
    std::deque<Node> done;
    int level = 0;
    bool has_namespaces = true;
    bool inherits = true;   // without namespaces: xmlns holds for what is inside

    void start(const char* name, const char** attributes) {
        Node node;
        if (!has_namespaces && inherits && !open.empty()) node.space = open.back().space;
        set_name(node, name);
        for (; *attributes != nullptr; attributes += 2) add_attribute(node, attributes[0], attributes[1]);
        if (level++ == 0)
            root = std::move(node);
        else
            open.push_back(std::move(node));
    }
    void end() {
        if (--level == 0) return;
        auto node = std::move(open.back());
        open.pop_back();
        if (open.empty())
            done.push_back(std::move(node));
        else
            open.back().children.push_back(std::move(node));
    }
    void text(std::string_view characters) {
        if (!open.empty()) open.back().text += characters;
    }

private:
    void set_name(Node& node, std::string_view name) const {
        const auto cut = name.rfind(has_namespaces ? ' ' : ':');
        if (cut == std::string_view::npos) {
            node.name = name;
            return;
        }
        node.name = name.substr(cut + 1);
        if (has_namespaces) node.space = name.substr(0, cut);
    }
    void add_attribute(Node& node, std::string_view name, std::string_view value) const {
        constexpr std::string_view xml = "http://www.w3.org/XML/1998/namespace ";
        if (has_namespaces && name.starts_with(xml))
            node.attributes.emplace_back("xml:" + std::string{name.substr(xml.size())}, value);
        else if (!has_namespaces && name == "xmlns")
            node.space = value;
        else
            node.attributes.emplace_back(name, value);
    }
};

void hook(XML_Parser parser, Builder& builder) {
    XML_SetUserData(parser, &builder);
    XML_SetElementHandler(
        parser, [](void* b, const char* name, const char** a) { static_cast<Builder*>(b)->start(name, a); },
        [](void* b, const char*) { static_cast<Builder*>(b)->end(); });
    XML_SetCharacterDataHandler(parser, [](void* b, const char* text, int length) {
        static_cast<Builder*>(b)->text({text, static_cast<std::size_t>(length)});
    });
}

void parse(XML_Parser parser, std::string_view bytes, bool is_last) {
    if (bytes.size() > INT_MAX) throw std::runtime_error{"more than a play can take in"};
    if (XML_Parse(parser, bytes.data(), static_cast<int>(bytes.size()), is_last ? 1 : 0) == XML_STATUS_OK) return;
    throw std::runtime_error{"not well-formed (" + std::string{XML_ErrorString(XML_GetErrorCode(parser))} +
                             "): " + std::string{bytes.substr(0, 2000)}};
}

std::vector<Node> parse_fragment(std::string_view xml, bool inherits) {
    Builder builder;
    builder.has_namespaces = false;
    builder.inherits = inherits;
    const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser{XML_ParserCreate("UTF-8"),
                                                                              &XML_ParserFree};
    hook(parser.get(), builder);
    parse(parser.get(), "<fragment>", false);
    parse(parser.get(), xml, false);
    parse(parser.get(), "</fragment>", true);
    return {std::make_move_iterator(builder.done.begin()), std::make_move_iterator(builder.done.end())};
}

}   // namespace

const std::string* Node::attribute(std::string_view wanted) const noexcept {
    const auto found = std::ranges::find(attributes, wanted, &std::pair<std::string, std::string>::first);
    return found == attributes.end() ? nullptr : &found->second;
}

const Node* Node::child(std::string_view wanted) const noexcept {
    const auto found = std::ranges::find(children, wanted, &Node::name);
    return found == children.end() ? nullptr : &*found;
}

std::string Node::str() const {
    std::string out;
    write(out, *this, "jabber:client");
    return out;
}

struct StreamReader::State {
    Builder builder;
    XML_Parser parser = XML_ParserCreateNS("UTF-8", ' ');
    State() { hook(parser, builder); }
    ~State() { XML_ParserFree(parser); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
};

StreamReader::StreamReader() : state_(std::make_unique<State>()) {}
StreamReader::~StreamReader() = default;
StreamReader::StreamReader(StreamReader&&) noexcept = default;
StreamReader& StreamReader::operator=(StreamReader&&) noexcept = default;

void StreamReader::feed(std::string_view bytes) { parse(state_->parser, bytes, false); }
bool StreamReader::is_open() const noexcept { return !state_->builder.root.name.empty(); }
bool StreamReader::is_closed() const noexcept { return is_open() && state_->builder.level == 0; }
const Node& StreamReader::header() const noexcept { return state_->builder.root; }
std::deque<Node>& StreamReader::arrived() noexcept { return state_->builder.done; }

std::vector<Node> read_fragment(std::string_view xml) { return parse_fragment(xml, true); }
std::vector<Node> read_open_fragment(std::string_view xml) { return parse_fragment(xml, false); }

}   // namespace play
