// One direction of an XML stream, cut into what stands beside each other in it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace play {

struct StreamPiece {
    enum class Kind : std::uint8_t { header, element, footer };
    Kind kind = Kind::element;
    std::string xml;   ///< element: written anew, with references resolved and escaped again
    std::vector<std::pair<std::string, std::string>> attributes;   ///< header: without declarations
};

/// Feed it what a client or a server says. A new stream header at the front of what is fed begins anew.
class XmlSplitter {
public:
    XmlSplitter();
    ~XmlSplitter();
    XmlSplitter(const XmlSplitter&) = delete;
    XmlSplitter& operator=(const XmlSplitter&) = delete;

    /// Whole pieces only; the rest waits, and what comes behind the footer is ignored. False from the moment on at
    /// which this was no XML.
    bool feed(std::string_view bytes, std::vector<StreamPiece>& pieces);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}   // namespace play
