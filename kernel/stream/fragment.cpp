#include "stream/fragment.hpp"

#include <limits>
#include <string>

#include "stream/plain_parser.hpp"
#include "stream/reader.hpp"

namespace tambo {

namespace {

std::unexpected<Error> bad_xml(const Fault& fault) {
    return fail(Condition::bad_request, "XML: " + std::string{fault.text});
}

}   // namespace

Result<void> read_stanza(std::string_view xml, Tape& tape) {
    if (PlainParser::read(xml, tape)) return {};
    if (auto fault = Reader{}.read(xml, {}, std::numeric_limits<std::size_t>::max(), tape)) return bad_xml(*fault);
    return {};
}

Result<Tape> parse_xml(std::string_view element) {
    Tape tape;
    if (PlainParser::read(element, tape)) return tape;
    TapeParser parser{"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"};
    if (auto fault = parser.read(element, tape, TapeParser::Roots::several)) return bad_xml(*fault);
    return tape;
}

}   // namespace tambo
