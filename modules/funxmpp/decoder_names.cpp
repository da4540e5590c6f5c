// Names: are they XML's, and which namespace is meant? (Namespaces in XML 1.0)
#include "characters.hpp"
#include "decoder.hpp"

namespace tambo::funxmpp {

namespace {

constexpr std::size_t most_bindings = 512;   // in scope at once; each prefix is looked for among them

}   // namespace

bool Decoder::check_name(const Text& text, std::uint32_t where, std::uint16_t& prefix) {
    if (text.token != nullptr) {
        if (text.token->name == 0) return refuse(Fault::bad_name, where);
        prefix = static_cast<std::uint16_t>(text.token->name - 1);
        return true;
    }
    const auto said = at(text.span);
    if (said.size() > limits_.name) return refuse(Fault::name_too_long, where);
    if (const auto fault = check_text(said); fault != Fault::none) return refuse(fault, where);
    std::size_t length = 0;
    if (!is_qname(said, length)) return refuse(Fault::bad_name, where);
    prefix = static_cast<std::uint16_t>(length);
    return true;
}

/// Gives an element, its attributes and what is in it their namespaces. `space` is the default namespace around it, and
/// becomes the one inside.
bool Decoder::resolve(std::uint32_t element, Tape::Span& space, std::uint32_t where) {
    auto& nodes = tape_->nodes;
    for (std::uint32_t i = 1; i <= declared_; ++i)
        if (!declare(nodes[element + i], space, where)) return false;
    auto& own = nodes[element];
    if (own.prefix == 0)
        own.space = space;
    else if (!space_of(at(own.name).substr(0, own.prefix - 1U), own.space, where))
        return false;
    if (prefixed_ == 0) return true;
    for (auto i = element + 1 + declared_; i < nodes.size(); ++i)
        if (nodes[i].prefix > 0 && !space_of(at(nodes[i].name).substr(0, nodes[i].prefix - 1U), nodes[i].space, where))
            return false;
    return !has_twins(element) || refuse(Fault::duplicate_attribute, where);
}

// What the specification forbids to bind is what expat forbids.
bool Decoder::declare(const Tape::Node& declaration, Tape::Span& space, std::uint32_t where) {
    const auto prefix = at(declaration.name);
    const auto uri = at(declaration.value);
    const bool is_xml = uri == ns::xml;
    if (uri == ns::xmlns || is_xml != (prefix == "xml")) return refuse(Fault::bad_namespace, where);
    if (declaration.name.length == 0) {
        space = declaration.value;
        return true;
    }
    if (prefix == "xmlns" || uri.empty()) return refuse(Fault::bad_namespace, where);
    if (bindings_.size() >= most_bindings) return refuse(Fault::too_many_attributes, where);
    bindings_.push_back({declaration.name, declaration.value});
    return true;
}

bool Decoder::space_of(std::string_view prefix, Tape::Span& space, std::uint32_t where) {
    if (prefix == "xml") {
        if (xml_space_.length == 0) xml_space_ = keep(ns::xml);
        space = xml_space_;
        return true;
    }
    for (auto i = bindings_.rbegin(); i != bindings_.rend(); ++i) {
        if (at(i->prefix) != prefix) continue;
        space = i->space;
        return true;
    }
    if (prefix != "stream") return refuse(Fault::undeclared_prefix, where);
    if (stream_space_.length == 0) stream_space_ = keep(ns::streams);
    space = stream_space_;
    return true;
}

/// Two prefixes for one namespace can make one attribute of two.
bool Decoder::has_twins(std::uint32_t element) const {
    if (prefixed_ < 2) return false;
    const auto& nodes = tape_->nodes;
    for (auto i = element + 1 + declared_; i < nodes.size(); ++i) {
        if (nodes[i].prefix == 0) continue;
        for (auto k = i + 1; k < nodes.size(); ++k) {
            if (nodes[k].prefix > 0 &&
                at(nodes[i].name).substr(nodes[i].prefix) == at(nodes[k].name).substr(nodes[k].prefix) &&
                at(nodes[i].space) == at(nodes[k].space))
                return true;
        }
    }
    return false;
}

}   // namespace tambo::funxmpp
