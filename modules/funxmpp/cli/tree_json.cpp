#include "tree_json.hpp"

#include <boost/json.hpp>
#include <boost/json/src.hpp>   // NOLINT(bugprone-suspicious-include): how Boost.JSON is used without its library

#include "characters.hpp"
#include "hex.hpp"

namespace tambo::funxmpp {

namespace {

namespace json = boost::json;
using Kind = Tape::Kind;

constexpr std::uint64_t start_control = 1, end_control = 2;

/// Is this text, of whatever characters?
bool is_utf8(std::string_view bytes) noexcept { return check_text(bytes) != Fault::bad_utf8; }

// --- to JSON

json::array attributes_of(const Tape& tape, std::uint32_t element) {
    json::array attributes;
    for (auto i = element + 1; i < tape.nodes[element].next && tape.nodes[i].kind == Kind::attribute; ++i)
        attributes.push_back(json::array{tape.at(tape.nodes[i].name), tape.at(tape.nodes[i].value)});
    return attributes;
}

void add_text(json::object& tree, const Tape::Node& text, std::string_view bytes, Dialect dialect) {
    if (!is_utf8(bytes)) {
        tree["data_hex"] = to_hex(bytes);
        return;
    }
    tree["text"] = bytes;
    if (dialect == Dialect::md && text.prefix == string_form) tree["text_kind"] = "string";
}

json::object tree_of(const Tape& tape, std::uint32_t element, Dialect dialect) {   // as deep as the decoder allows
    json::object tree{{"tag", tape.at(tape.nodes[element].name)}};
    if (auto attributes = attributes_of(tape, element); !attributes.empty()) tree["attrs"] = std::move(attributes);
    json::array children;
    for (auto i = element + 1; i < tape.nodes[element].next; i = tape.nodes[i].next) {
        const auto& node = tape.nodes[i];
        if (node.kind == Kind::text) add_text(tree, node, tape.at(node.value), dialect);
        if (node.kind == Kind::element) children.push_back(tree_of(tape, i, dialect));
    }
    if (!children.empty()) tree["children"] = std::move(children);
    return tree;
}

json::object control_of(const Tape& tape, bool is_start) {
    json::object tree{{"ctrl", is_start ? start_control : end_control}};
    if (!is_start) return tree;
    if (auto attributes = attributes_of(tape, 0); !attributes.empty()) tree["attrs"] = std::move(attributes);
    return tree;
}

// --- from JSON; throws what Boost.JSON throws where the shape is not that of a tree

class Builder {
public:
    explicit Builder(Tape& tape) : tape_(tape) {}

    void element(const json::object& tree, std::string_view tag) {
        const auto index = tape_.nodes.size();
        add(Kind::element).name = keep(tag);
        if (const auto* attributes = tree.if_contains("attrs"))
            for (const auto& each : attributes->as_array()) attribute(each.as_array());
        if (const auto* text = tree.if_contains("text")) {
            auto& node = add_text(text->as_string());
            const auto* kind = tree.if_contains("text_kind");
            if (kind != nullptr && kind->as_string() == "string") node.prefix = string_form;
        }
        if (const auto* data = tree.if_contains("data_hex")) add_text(from_hex(data->as_string()).value());
        if (const auto* children = tree.if_contains("children"))
            for (const auto& child : children->as_array())
                element(child.as_object(), child.as_object().at("tag").as_string());
        tape_.nodes[index].next = static_cast<std::uint32_t>(tape_.nodes.size());
    }

private:
    void attribute(const json::array& pair) {
        auto& node = add(Kind::attribute);
        node.name = keep(pair.at(0).as_string());
        node.value = keep(pair.at(1).as_string());
    }
    Tape::Node& add_text(std::string_view text) {
        auto& node = add(Kind::text);
        node.value = keep(text);
        return node;
    }
    Tape::Node& add(Kind kind) {
        auto& node = tape_.nodes.emplace_back();
        node.kind = kind;
        node.next = static_cast<std::uint32_t>(tape_.nodes.size());
        return node;
    }
    Tape::Span keep(std::string_view text) {
        const Tape::Span span{static_cast<std::uint32_t>(tape_.text.size()), static_cast<std::uint32_t>(text.size())};
        tape_.text += text;
        return span;
    }
    Tape& tape_;
};

}   // namespace

std::string tree_to_json(const Decoded& decoded, const Tape& tape, Dialect dialect) {
    if (decoded.kind == Decoded::Kind::error)
        return json::serialize(json::object{{"error", to_string(decoded.fault)},
                                            {"stream_error", stream_error(decoded.fault)},
                                            {"offset", decoded.offset}});
    if (decoded.kind == Decoded::Kind::node) return json::serialize(tree_of(tape, 0, dialect));
    return json::serialize(control_of(tape, decoded.kind == Decoded::Kind::start));
}

Decoded tree_from_json(std::string_view text, Tape& tape) try {
    constexpr std::size_t json_levels = std::size_t{2} * max_depth + 4;
    tape.clear();
    json::parse_options options;
    options.max_depth = json_levels;
    const auto parsed = json::parse(text, {}, options);
    const auto& tree = parsed.as_object();
    const auto* control = tree.if_contains("ctrl");
    if (control == nullptr) {
        Builder{tape}.element(tree, tree.at("tag").as_string());
        return {.kind = Decoded::Kind::node};
    }
    if (control->to_number<std::uint64_t>() == end_control) return {.kind = Decoded::Kind::end};
    Builder{tape}.element(tree, "stream:stream");
    return {.kind = Decoded::Kind::start};
} catch (const std::exception&) {   // Boost.JSON's, about text that is not ours
    return {.kind = Decoded::Kind::error};
}

}   // namespace tambo::funxmpp
