// XML as the player looks at it: a small tree, read by a parser that is not the server's.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace play {

struct Node {
    std::string name;    ///< without prefix
    std::string space;   ///< resolved namespace; in a fragment empty where no xmlns was written
    std::vector<std::pair<std::string, std::string>> attributes;
    std::vector<Node> children;
    std::string text;   ///< all character data directly inside

    const std::string* attribute(std::string_view wanted) const noexcept;
    const Node* child(std::string_view wanted) const noexcept;
    bool is_stanza() const noexcept { return name == "message" || name == "presence" || name == "iq"; }
    std::string str() const;   ///< for people to read
};

/// What a server writes, as it arrives: header, then one element after the other. Made anew when the stream restarts.
class StreamReader {
public:
    StreamReader();
    ~StreamReader();
    StreamReader(StreamReader&&) noexcept;
    StreamReader& operator=(StreamReader&&) noexcept;

    /// Throws std::runtime_error if the server writes what is not XML.
    void feed(std::string_view bytes);

    bool is_open() const noexcept;          ///< the header was seen
    bool is_closed() const noexcept;        ///< </stream:stream> was seen
    const Node& header() const noexcept;    ///< its attributes
    std::deque<Node>& arrived() noexcept;   ///< whole elements, oldest first

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Elements beside each other, as a play has them. Prefixes are dropped. Throws std::runtime_error if it is not
/// well-formed.
std::vector<Node> read_fragment(std::string_view xml);

/// The same, but an element without xmlns of its own is in no namespace: that is how patterns leave it open.
std::vector<Node> read_open_fragment(std::string_view xml);

}   // namespace play
