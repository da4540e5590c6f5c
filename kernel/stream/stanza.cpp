#include <algorithm>
#include <array>
#include <utility>

#include <tambo/stanza.hpp>

#include "stream/escape.hpp"
#include "stream/fragment.hpp"
#include "stream/pen.hpp"
#include "stream/plain_element.hpp"
#include "stream/tape_spaces.hpp"

namespace tambo {

namespace {

constexpr std::array<std::string_view, 4> kind_names{"message", "presence", "iq", ""};

Stanza::Kind kind_of(const Element& element) noexcept {
    if (element.space() != ns::client) return Stanza::Kind::other;
    for (const auto kind : {Stanza::Kind::message, Stanza::Kind::presence, Stanza::Kind::iq})
        if (element.name() == kind_names[static_cast<std::size_t>(kind)]) return kind;
    return Stanza::Kind::other;
}

Result<void> take_address(Jid& address, std::string_view text) {
    auto parsed = Jid::parse(text);
    if (!parsed) return std::unexpected<Error>{std::move(parsed.error())};
    address = std::move(*parsed);
    return {};
}

void write_if(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) write_attribute(out, name, value);
}

}   // namespace

Stanza Stanza::message(const Jid& from, const Jid& to, std::string_view type) {
    return made(Kind::message, from, to, type, {});
}

Stanza Stanza::presence(const Jid& from, const Jid& to, std::string_view type) {
    return made(Kind::presence, from, to, type, {});
}

Stanza Stanza::iq(const Jid& from, const Jid& to, std::string_view type, std::string_view id) {
    return made(Kind::iq, from, to, type, id);
}

Stanza Stanza::made(Kind kind, const Jid& from, const Jid& to, std::string_view type, std::string_view id) {
    Stanza stanza;
    stanza.kind_ = kind;
    stanza.from_ = from;
    stanza.to_ = to;
    stanza.type_ = type;
    stanza.id_ = id;
    stanza.stale_ = true;
    return stanza;
}

Result<Stanza> Stanza::parse(std::string_view xml) {
    Stanza stanza;
    if (auto read = read_stanza(xml, stanza.tape_); !read) return std::unexpected<Error>{std::move(read.error())};
    if (auto adopted = stanza.adopt(); !adopted) return std::unexpected<Error>{std::move(adopted.error())};
    return stanza;
}

Result<void> Stanza::adopt(bool addresses) {
    stale_ = as_kept_ = false;
    kind_ = kind_of(Element{tape_, 0});
    from_ = to_ = Jid{};
    id_.clear();
    type_.clear();
    lang_.clear();
    extra_.clear();
    note_spaces(tape_);
    Result<void> verdict;
    for (std::uint32_t i = 1; i < tape_.nodes.size(); ++i) {
        const auto& node = tape_.nodes[i];
        if (node.kind != Tape::Kind::attribute && node.kind != Tape::Kind::declaration) break;
        // Whoever gets the error back needs the id, so one bad address doesn't end this.
        if (auto taken = take(node, addresses); !taken && verdict) verdict = std::move(taken);
    }
    return verdict;
}

Result<void> Stanza::take(const Tape::Node& node, bool addresses) {
    const auto name = tape_.at(node.name);
    const auto value = tape_.at(node.value);
    if (node.kind == Tape::Kind::declaration) {
        if (name.empty() && value == ns::client) return {};
        write_attribute(extra_, name.empty() ? "xmlns" : "xmlns:" + std::string{name}, value);
    } else if (name == "to" || name == "from") {
        if (addresses) return take_address(name == "to" ? to_ : from_, value);
    } else if (name == "id") {
        id_ = value;
    } else if (name == "type") {
        type_ = value;
    } else if (name == "xml:lang") {   // no other prefix can be bound to that namespace (XML-NAMES §3)
        lang_ = value;
    } else {
        write_attribute(extra_, name, value);
    }
    return {};
}

std::string_view Stanza::name() const noexcept {
    if (kind_ != Kind::other) return kind_names[static_cast<std::size_t>(kind_)];
    return tape_.nodes.empty() ? std::string_view{} : Element{tape_, 0}.name();
}

// What stands in the tags: with its prefix, if the element is none of jabber:client's.
std::string_view Stanza::tag_name() const noexcept {
    return kind_ == Kind::other && !tape_.nodes.empty() ? tape_.at(tape_.nodes.front().name) : name();
}

Element Stanza::xml() const {
    if (stale_) reread();
    return tape_.nodes.empty() ? Element{} : Element{tape_, 0};
}

// What a module wrote into a stanza is its promise. Where it is not well-formed after all, the content is not seen
// here.
void Stanza::reread() const {
    std::string whole;
    write(whole);
    std::string without_content;
    write_start(without_content);
    without_content += "/>";

    auto inner = std::move(tape_.inner);
    stale_ = false;
    if (read_stanza(whole, tape_)) return note_spaces(tape_);
    if (!read_stanza(without_content, tape_)) tape_.clear();
    tape_.inner = std::move(inner);
}

void Stanza::set_inner(std::string well_formed_xml) {
    tape_.inner = std::move(well_formed_xml);
    stale_ = true;
    as_kept_ = false;
}

void Stanza::append(std::string_view well_formed_xml) {
    as_kept_ = false;
    if (!stale_ && append_plain(tape_, well_formed_xml)) return note_spaces(tape_);
    tape_.inner += well_formed_xml;
    stale_ = true;
}

void Stanza::append(std::string_view name, std::string_view space, Attributes attributes) {
    as_kept_ = false;
    if (!stale_ && append_element(tape_, name, space, attributes)) return;
    auto& out = tape_.inner;
    out.append(1, '<').append(name);
    write_attribute(out, "xmlns", space);
    for (const auto& [key, value] : attributes) write_attribute(out, key, value);
    out += "/>";
    stale_ = true;
}

void Stanza::remove(const Element& child) {
    const auto xml = child.xml();
    if (child.tape() != &tape_ || xml.empty()) return;
    as_kept_ = false;
    tape_.inner.erase(static_cast<std::size_t>(xml.data() - tape_.inner.data()), xml.size());
    stale_ = true;
}

namespace {

struct Attribute {
    std::string_view name, value;
};

/// A stanza of which nothing has to be escaped: written at once.
struct Plain {
    std::string_view tag;
    std::array<Attribute, 5> attributes;
    std::string_view extra, inner;

    bool is_plain() const noexcept {
        return std::ranges::all_of(attributes, [](const Attribute& a) { return needs_no_escape(a.value); });
    }
    std::size_t most() const noexcept {
        auto sum = sizeof "<></>" + 2 * tag.size() + extra.size() + inner.size();
        for (const auto& [name, value] : attributes) sum += sizeof " =''" + name.size() + value.size();
        return sum;
    }
    void put(Pen& pen) const noexcept {
        pen << '<' << tag;
        for (const auto& [name, value] : attributes)
            if (!value.empty()) pen << ' ' << name << '=' << '\'' << value << '\'';
        pen << extra;
        if (inner.empty())
            pen << '/' << '>';
        else
            pen << '>' << inner << '<' << '/' << tag << '>';
    }
};

}   // namespace

void Stanza::write_start(std::string& out) const {
    out += '<';
    out += tag_name();
    write_if(out, "from", from_.text());
    write_if(out, "to", to_.text());
    write_if(out, "id", id_);
    write_if(out, "type", type_);
    write_if(out, "xml:lang", lang_);
    out += extra_;
}

void Stanza::write(std::string& out) const {
    const Plain plain{
        .tag = tag_name(),
        .attributes{{{"from", from_.text()}, {"to", to_.text()}, {"id", id_}, {"type", type_}, {"xml:lang", lang_}}},
        .extra = extra_,
        .inner = tape_.inner};
    if (plain.is_plain()) {
        const auto before = out.size();
        return out.resize_and_overwrite(before + plain.most(), [&](char* begin, std::size_t) noexcept {
            Pen pen{begin + before};
            plain.put(pen);
            return static_cast<std::size_t>(pen.at() - begin);
        });
    }
    write_start(out);
    if (tape_.inner.empty()) {
        out += "/>";
        return;
    }
    out += '>';
    out += tape_.inner;
    out += "</";
    out += tag_name();
    out += '>';
}

std::string Stanza::str() const {
    std::string out;
    write(out);
    return out;
}

Stanza Stanza::result() const { return made(Kind::iq, to_, from_, "result", id_); }

Stanza Stanza::error(const Error& error) const {
    auto answer = made(kind_, to_, from_, "error", id_);
    Writer content;
    content.element("error").attribute("type", error_type(error.condition));
    content.element(to_string(error.condition), ns::stanza_errors).end();
    if (!error.text.empty()) content.element("text", ns::stanza_errors).text(error.text);
    answer.set_inner(content.take());
    return answer;
}

}   // namespace tambo
