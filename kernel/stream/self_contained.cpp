#include "stream/self_contained.hpp"

#include <vector>

#include "stream/escape.hpp"

namespace tambo {

namespace {

using Node = Tape::Node;
using Kind = Tape::Kind;

struct Binding {
    std::string_view prefix, uri;
};

/// What is declared where the children stand: prefix to namespace, the inner declaration wins.
class Scope {
public:
    Scope(const Tape& tape, std::uint32_t outer, std::uint32_t inner) {
        add(tape, inner);
        add(tape, outer);
    }
    const std::vector<Binding>& bindings() const noexcept { return bindings_; }

private:
    void add(const Tape& tape, std::uint32_t element) {
        for (auto i = element + 1; i < tape.nodes.size() && tape.nodes[i].kind == Kind::declaration; ++i) {
            const auto prefix = tape.at(tape.nodes[i].name);
            if (!has(prefix)) bindings_.push_back({prefix, tape.at(tape.nodes[i].value)});
        }
    }
    bool has(std::string_view prefix) const noexcept {
        for (const auto& b : bindings_)
            if (b.prefix == prefix) return true;
        return false;
    }
    std::vector<Binding> bindings_;
};

void declare(std::string& out, const Binding& binding) {
    write_attribute(out, binding.prefix.empty() ? "xmlns" : "xmlns:" + std::string{binding.prefix}, binding.uri);
}

std::string_view prefix_of(const Tape& tape, const Node& node) noexcept {
    return node.prefix == 0 ? std::string_view{} : tape.at(node.name).substr(0, node.prefix - 1U);
}

bool declares(const Tape& tape, std::uint32_t element, std::string_view prefix) noexcept {
    for (auto i = element + 1; i < tape.nodes.size() && tape.nodes[i].kind == Kind::declaration; ++i)
        if (tape.at(tape.nodes[i].name) == prefix) return true;
    return false;
}

// By its text, so that a prefix in content (a QName as value) counts as well.
bool mentions(std::string_view xml, std::string_view prefix) {
    for (auto at = xml.find(prefix); at != std::string_view::npos; at = xml.find(prefix, at + 1))
        if (xml.substr(at + prefix.size()).starts_with(':')) return true;
    return false;
}

/// Writes one stanza anew.
class Rewriting {
public:
    Rewriting(const Tape& tape, std::size_t max_bytes)
        : tape_(tape),
          max_bytes_(max_bytes),
          root_(root_index(tape)),
          scope_(tape, 0, root_),
          is_client_(tape.at(tape.nodes[root_].space) == ns::client) {}

    std::optional<std::string> run() {
        start_tag();
        auto from = inside();
        const auto end = inside_end();
        for (auto i = root_ + 1; i < node(root_).next; i = node(i).next) {
            if (node(i).kind != Kind::element) continue;
            out_ += raw(from, node(i).begin);
            child(i);
            from = node(i).end;
            if (out_.size() > max_bytes_) return std::nullopt;
        }
        out_ += raw(from, end);
        out_ += "</";
        out_ += name();
        out_ += '>';
        if (out_.size() > max_bytes_) return std::nullopt;
        return std::move(out_);
    }

private:
    static std::uint32_t root_index(const Tape& tape) noexcept {
        std::uint32_t i = 1;
        while (tape.nodes[i].kind != Kind::element) i = tape.nodes[i].next;
        return i;
    }
    const Node& node(std::uint32_t i) const noexcept { return tape_.nodes[i]; }
    std::string_view raw(std::uint32_t begin, std::uint32_t end) const {
        return std::string_view{tape_.inner}.substr(begin, end - begin);
    }

    // A stanza of jabber:client loses its prefix, for that namespace is the default wherever it goes.
    std::string_view name() const {
        auto name = tape_.at(node(root_).name);
        if (is_client_) name.remove_prefix(node(root_).prefix);
        return name;
    }

    void start_tag() {
        out_ += '<';
        out_ += name();
        for (const auto& binding : scope_.bindings())
            if (start_tag_needs(binding)) declare(out_, binding);
        for (auto i = root_ + 1; i < node(root_).next; ++i) {
            if (node(i).kind == Kind::declaration) continue;
            if (node(i).kind != Kind::attribute) break;
            write_attribute(out_, tape_.at(node(i).name), tape_.at(node(i).value));
        }
        out_ += '>';
    }

    bool start_tag_needs(const Binding& binding) const {
        if (binding.prefix.empty()) return !is_client_;
        if (!is_client_ && prefix_of(tape_, node(root_)) == binding.prefix) return true;
        for (auto i = root_ + 1; i < node(root_).next && node(i).kind != Kind::element && node(i).kind != Kind::text;
             ++i)
            if (node(i).kind == Kind::attribute && prefix_of(tape_, node(i)) == binding.prefix) return true;
        return false;
    }

    void child(std::uint32_t index) {
        const auto xml = raw(node(index).begin, node(index).end);
        const auto name_end = 1 + node(index).name.length;
        out_ += xml.substr(0, name_end);
        for (const auto& binding : scope_.bindings())
            if (child_needs(index, xml, binding)) declare(out_, binding);
        out_ += xml.substr(name_end);
    }

    bool child_needs(std::uint32_t index, std::string_view xml, const Binding& binding) const {
        if (declares(tape_, index, binding.prefix)) return false;
        if (binding.prefix.empty()) return is_client_ && binding.uri != ns::client;
        return mentions(xml, binding.prefix);
    }

    std::uint32_t inside() const noexcept {
        char quote = '\0';
        auto at = node(root_).begin;
        for (;; ++at) {
            const char c = tape_.inner[at];
            if (quote != '\0')
                quote = c == quote ? '\0' : quote;
            else if (c == '\'' || c == '"')
                quote = c;
            else if (c == '>')
                return at + 1;
        }
    }
    std::uint32_t inside_end() const noexcept {
        if (inside() == node(root_).end) return node(root_).end;   // <empty/>
        return static_cast<std::uint32_t>(tape_.inner.rfind("</", node(root_).end));
    }

    const Tape& tape_;
    std::size_t max_bytes_;
    std::uint32_t root_;
    Scope scope_;
    bool is_client_;
    std::string out_;
};

}   // namespace

bool leans_on_start_tag(const Tape& tape) noexcept {
    const auto& root = tape.nodes.front();
    for (std::uint32_t i = 1; i < tape.nodes.size() && tape.nodes[i].kind == Kind::declaration; ++i) {
        if (tape.nodes[i].name.length > 0) return true;
        if (tape.at(root.space) == ns::client && tape.at(tape.nodes[i].value) != ns::client) return true;
    }
    return false;
}

std::optional<std::string> self_contained(const Tape& wrapped, std::size_t max_bytes) {
    return Rewriting{wrapped, max_bytes}.run();
}

}   // namespace tambo
