#include "decoder.hpp"

#include <algorithm>

#include "characters.hpp"
#include "wire.hpp"

namespace tambo::funxmpp {

namespace {

using Kind = Tape::Kind;

constexpr std::string_view text_tag = "#text", stream_tag = "stream:stream";
constexpr std::size_t most_text = std::size_t{1} << 30;   // tapes count in 32 bits

Limits possible(Limits limits) noexcept {
    limits.depth = std::min(limits.depth, max_depth);
    limits.attributes = std::min(limits.attributes, max_attributes);
    limits.name = std::min<std::uint32_t>(limits.name, UINT16_MAX - 1);
    limits.text = std::min(limits.text, most_text);
    return limits;
}

}   // namespace

Decoder::Decoder(Dialect dialect, const Limits& limits) noexcept
    : dialect_(dialect), tables_(tables(dialect)), limits_(possible(limits)) {}

void Decoder::set_limits(const Limits& limits) noexcept { limits_ = possible(limits); }

Decoded Decoder::decode(std::string_view payload, Tape& tape, Slots* slots) {
    is_raw_ = false;
    return run(payload, tape, slots);
}

Decoded Decoder::decode_raw(std::string_view payload, Tape& tape, Slots* slots) {
    is_raw_ = true;
    return run(payload, tape, slots);
}

Decoded Decoder::run(std::string_view payload, Tape& tape, Slots* slots) {
    tape.clear();
    tape_ = &tape;
    open_text();
    slots_ = dialect_ == Dialect::page ? slots : nullptr;
    begin_ = at_ = payload.data();
    end_ = begin_ + payload.size();
    shift_ = 0;
    depth_ = nodes_ = 0;
    root_space_ = stream_space_ = xml_space_ = {};
    bindings_.clear();
    verdict_ = {.kind = Decoded::Kind::node};
    content_ = {};
    const bool is_good = payload.size() <= most_text ? (dialect_ != Dialect::md || unwrap()) && tree()
                                                     : refuse(Fault::frame_too_large, 0);
    if (!is_good) verdict_.kind = Decoded::Kind::error;
    if (!is_good || uses_slots_) content_ = {};
    tape.text.resize(verdict_.kind == Decoded::Kind::end ? 0 : written_);
    return verdict_;
}

bool Decoder::tree() {
    if (!is_raw_) root_space_ = keep(ns::client);
    if (!node()) return false;
    while (depth_ > 0) {
        auto& level = levels_[depth_ - 1];
        if (level.left == 0) {
            --depth_;
            close(level.element, level.bindings);
            continue;
        }
        --level.left;
        if (!node()) return false;
    }
    return at_ == end_ || refuse(Fault::trailing, here());
}

bool Decoder::node() {
    const auto where = here();
    std::uint32_t size = 0;
    if (!list_header(size)) return false;
    if (size == 0) return refuse(Fault::empty_node, where);
    if (++nodes_ > limits_.nodes) return refuse(Fault::too_many_nodes, where);
    if (depth_ >= limits_.depth) return refuse(Fault::depth, where);
    if ((size - 1) / 2 > limits_.attributes) return refuse(Fault::too_many_attributes, where);
    if (left() > 0 && (*at_ == wire::stream_start || *at_ == wire::stream_end)) return stream_control(size);

    const auto tag_at = here();
    Text tag;
    if (!name(tag, Fault::null_tag)) return false;
    if (at(tag.span) == text_tag && !is_raw_) {
        written_ = tag.span.offset;
        return depth_ > 0 ? text_node(size) : refuse(Fault::bad_name, tag_at);
    }
    const auto element = static_cast<std::uint32_t>(tape_->nodes.size());
    auto& made = add(Kind::element);
    made.name = tag.span;
    const bool is_raw_text = is_raw_ && at(tag.span) == text_tag;
    if (!is_raw_text && !check_name(tag, tag_at, made.prefix)) return false;
    if (depth_ > 0) levels_[depth_ - 1].is_text_last = false;

    const auto bindings = static_cast<std::uint32_t>(bindings_.size());
    auto space = depth_ > 0 ? levels_[depth_ - 1].space : root_space_;
    if (!attributes((size - 1) / 2)) return false;
    const bool is_simple = declared_ == 0 && prefixed_ == 0 && tape_->nodes[element].prefix == 0;
    if (is_simple && !is_raw_)
        tape_->nodes[element].space = space;
    else if (!is_raw_ && !resolve(element, space, where))
        return false;
    if (element == 0) {
        uses_slots_ = false;
        if (size % 2 == 0) content_ = {at_, left()};
    }
    if (size % 2 == 0) return content(element, space, bindings);
    close(element, bindings);
    return true;
}

bool Decoder::stream_control(std::uint32_t size) {
    const auto where = here();
    const bool is_start = byte() == wire::stream_start;
    const bool fits = is_start ? size % 2 == 1 : size == 1;
    if (depth_ > 0 || !fits) return refuse(Fault::stream_control, where);
    verdict_.kind = is_start ? Decoded::Kind::start : Decoded::Kind::end;
    if (!is_start) return true;
    auto& made = add(Kind::element);
    made.name = keep(stream_tag);
    made.prefix = static_cast<std::uint16_t>(stream_tag.find(':') + 1);
    auto space = root_space_;
    if (!attributes((size - 1) / 2) || (!is_raw_ && !resolve(0, space, where))) return false;
    close(0, 0);
    return true;
}

bool Decoder::list_header(std::uint32_t& size) {
    const auto where = here();
    if (left() == 0) return refuse(Fault::truncated, where);
    switch (byte()) {
        case wire::null:
            size = 0;
            return true;
        case wire::list8:
            return number(size, 1);
        case wire::list16:
            return number(size, 2);
        default:
            return refuse(Fault::bad_list_tag, where);
    }
}

bool Decoder::attributes(std::uint32_t count) {
    const auto element = static_cast<std::uint32_t>(tape_->nodes.size()) - 1;
    declared_ = prefixed_ = 0;
    for (std::uint32_t nth = 0; nth < count; ++nth)
        if (!attribute(element, nth)) return false;
    return true;
}

bool Decoder::attribute(std::uint32_t element, std::uint32_t nth) {
    constexpr std::string_view declaration = "xmlns";
    const auto where = here();
    Text said;
    std::uint16_t prefix = 0;
    if (!name(said, Fault::null_key) || !check_name(said, where, prefix) || !is_new(said.span, nth, where))
        return false;
    Tape::Span value_span;
    if (!value(value_span)) return false;
    auto& made = add(Kind::attribute);
    made.name = said.span;
    made.value = value_span;
    made.prefix = prefix;
    if (is_raw_) return true;
    const auto written_name = at(said.span);
    if (prefix == 0 ? written_name != declaration : written_name.substr(0, prefix - 1U) != declaration) {
        prefixed_ += prefix > 0 ? 1 : 0;
        return true;
    }
    const auto cut = prefix == 0 ? said.span.length : prefix;
    made.kind = Kind::declaration;
    made.name = {said.span.offset + cut, said.span.length - cut};
    made.prefix = 0;
    // On a tape, declarations come before attributes.
    auto& nodes = tape_->nodes;
    const auto at = element + 1 + declared_++;
    std::rotate(nodes.begin() + at, nodes.end() - 1, nodes.end());
    for (auto i = at; i < nodes.size(); ++i) nodes[i].next = i + 1;
    return true;
}

bool Decoder::is_new(Tape::Span name, std::uint32_t nth, std::uint32_t where) {
    for (std::uint32_t i = 0; i < nth; ++i)
        if (is_same(at(names_[i]), at(name))) return refuse(Fault::duplicate_attribute, where);
    names_[nth] = name;
    return true;
}

bool Decoder::value(Tape::Span& span) {
    if (left() > 0 && static_cast<std::uint8_t>(*at_) == wire::null) {
        ++at_;
        return true;
    }
    const auto where = here();
    Text said;
    if (!string(said, Part::whole)) return false;
    span = said.span;
    if (said.token != nullptr) return true;
    const auto fault = check_text(at(span));
    return fault == Fault::none || refuse(fault, where);
}

bool Decoder::content(std::uint32_t element, Tape::Span space, std::uint32_t bindings) {
    if (left() == 0) return refuse(Fault::truncated, here());
    const auto first = static_cast<std::uint8_t>(*at_);
    if (first != wire::null && first != wire::list8 && first != wire::list16) {
        if (!text(false)) return false;
        close(element, bindings);
        return true;
    }
    std::uint32_t count = 0;
    if (!list_header(count)) return false;
    if (count > left()) return refuse(Fault::truncated, here());
    if (count == 0)
        close(element, bindings);
    else
        levels_[depth_++] = {element, count, bindings, false, space};
    return true;
}

// What XML has between elements.
bool Decoder::text_node(std::uint32_t size) {
    constexpr std::uint32_t tag_and_content = 2;
    if (size == 1) return true;
    if (size > tag_and_content) return refuse(Fault::bad_name, here());   // it has no attributes
    if (left() > 0 && static_cast<std::uint8_t>(*at_) == wire::null) {
        ++at_;
        return true;
    }
    auto& is_text_last = levels_[depth_ - 1].is_text_last;
    const auto before = tape_->nodes.size();
    if (!text(is_text_last)) return false;
    is_text_last = is_text_last || tape_->nodes.size() > before;
    return true;
}

bool Decoder::text(bool grows) {
    const auto where = here();
    Text said;
    if (!string(said, Part::whole)) return false;
    if (said.span.length == 0) return true;
    if (!is_raw_ && said.token == nullptr)
        if (const auto fault = check_text(at(said.span)); fault != Fault::none) return refuse(fault, where);
    if (grows) {
        tape_->nodes.back().value.length += said.span.length;   // nothing was written between the two
        return true;
    }
    auto& made = add(Kind::text);
    made.value = said.span;
    if (is_raw_ && !said.is_literal) made.prefix = string_form;
    return true;
}

void Decoder::close(std::uint32_t element, std::uint32_t bindings) {
    tape_->nodes[element].next = static_cast<std::uint32_t>(tape_->nodes.size());
    bindings_.resize(bindings);
}

Tape::Span Decoder::keep(std::string_view text) {
    const Tape::Span span{written(), static_cast<std::uint32_t>(text.size())};
    append(text);
    return span;
}

Tape::Node& Decoder::add(Tape::Kind kind) {
    auto& node = tape_->nodes.emplace_back();
    node.kind = kind;
    node.next = static_cast<std::uint32_t>(tape_->nodes.size());
    return node;
}

bool Decoder::number(std::uint32_t& value, std::uint32_t bytes) {
    if (left() < bytes) return refuse(Fault::truncated, here());
    value = 0;
    for (; bytes > 0; --bytes) value = (value << 8U) | byte();
    return true;
}

bool Decoder::take(std::string_view& bytes, std::uint32_t count) {
    if (left() < count) return refuse(Fault::truncated, here());
    bytes = {at_, count};
    at_ += count;
    return true;
}

}   // namespace tambo::funxmpp
