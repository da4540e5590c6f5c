#include "xml_splitter.hpp"

#include <expat.h>

#include <tambo/xml.hpp>

namespace play {

struct XmlSplitter::State {
    State() : parser(XML_ParserCreate("UTF-8")) {
        XML_SetUserData(parser, this);
        XML_SetElementHandler(
            parser,
            [](void* self, const char* name, const char** attributes) {
                static_cast<State*>(self)->start(name, attributes);
            },
            [](void* self, const char* name) { static_cast<State*>(self)->end(name); });
        XML_SetCharacterDataHandler(parser, [](void* self, const char* text, int length) {
            static_cast<State*>(self)->characters({text, static_cast<std::size_t>(length)});
        });
    }
    ~State() { XML_ParserFree(parser); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    void start(std::string_view name, const char** attributes) {
        if (depth++ == 0) {
            StreamPiece header{StreamPiece::Kind::header, {}, {}};
            for (; *attributes != nullptr; attributes += 2)
                if (!std::string_view{*attributes}.starts_with("xmlns"))
                    header.attributes.emplace_back(attributes[0], attributes[1]);
            pieces->push_back(std::move(header));
            return;
        }
        xml.append("<").append(name);
        for (; *attributes != nullptr; attributes += 2)
            xml.append(" ").append(attributes[0]).append("='").append(value(attributes[1])).append("'");
        xml += '>';
    }
    void end(std::string_view name) {
        --depth;
        has_ended = depth == 0;
        if (has_ended) return pieces->push_back({StreamPiece::Kind::footer, {}, {}});
        xml.append("</").append(name).append(">");
        if (depth == 1) pieces->push_back({StreamPiece::Kind::element, std::exchange(xml, {}), {}});
    }
    void characters(std::string_view text) {
        if (depth > 1) xml += value(text);
    }
    // XML 1.0 §2.11, §3.3.3: else a reader would make spaces of them.
    static std::string value(std::string_view text) {
        std::string out;
        for (const char c : text)
            out += c == '\n' ? "&#10;" : c == '\t' ? "&#9;" : c == '\r' ? "&#13;" : tambo::escape({&c, 1});
        return out;
    }

    XML_Parser parser;
    std::vector<StreamPiece>* pieces = nullptr;
    std::string xml;
    int depth = 0;
    bool is_xml = true, has_ended = false;
};

XmlSplitter::XmlSplitter() : state_(std::make_unique<State>()) {}

XmlSplitter::~XmlSplitter() = default;

bool XmlSplitter::feed(std::string_view bytes, std::vector<StreamPiece>& pieces) {
    if (bytes.starts_with("<?xml") || bytes.starts_with("<stream:stream")) state_ = std::make_unique<State>();
    state_->pieces = &pieces;
    if (state_->has_ended) return true;   // what a client answers while it waits for the server's end
    if (state_->is_xml)
        state_->is_xml = XML_Parse(state_->parser, bytes.data(), static_cast<int>(bytes.size()), 0) == XML_STATUS_OK;
    return state_->is_xml;
}

}   // namespace play
