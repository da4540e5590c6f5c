#include "stream/reader.hpp"

#include "stream/plain_parser.hpp"
#include "stream/self_contained.hpp"

namespace tambo {

namespace {

constexpr std::string_view preamble =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

}   // namespace

Reader::Reader() : parser_(std::make_unique<TapeParser>(preamble)) {}

std::optional<Fault> Reader::read(std::string_view stanza, const std::string& declarations, std::size_t max_bytes,
                                  Tape& tape) {
    if (declarations.empty()) {
        if (PlainParser::read(stanza, tape)) return std::nullopt;
        if (auto fault = parse(stanza, tape)) return fault;
        if (!leans_on_start_tag(tape)) return std::nullopt;
    }
    return read_anew(stanza, declarations, max_bytes, tape);
}

std::optional<Fault> Reader::read_anew(std::string_view stanza, const std::string& declarations, std::size_t max_bytes,
                                       Tape& tape) {
    std::string wrapped = "<w" + declarations + ">";
    const auto before = wrapped.size();
    wrapped.append(stanza).append("</w>");
    if (auto fault = parse(wrapped, tape)) return fault;
    const auto root = Element{tape, 0}.first();
    const auto is_alone = root && root.xml().size() == wrapped.size() - before - sizeof "</w>" + 1;
    if (!is_alone) return Fault{StreamCondition::not_well_formed, "not one element"};
    const auto anew = self_contained(tape, max_bytes);
    if (!anew) return Fault{StreamCondition::policy_violation, "namespace declarations are too long"};
    return parse(*anew, tape);
}

std::optional<Fault> Reader::parse(std::string_view stanza, Tape& tape) {
    auto fault = parser_->read(stanza, tape);
    if (fault || parser_->memory() > max_parser_bytes) parser_ = std::make_unique<TapeParser>(preamble);
    return fault;
}

}   // namespace tambo
