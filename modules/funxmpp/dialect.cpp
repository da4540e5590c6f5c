#include "dialect.hpp"

#include <array>

namespace tambo::funxmpp {

namespace {

constexpr std::string_view not_well_formed = "not-well-formed";
constexpr std::string_view policy = "policy-violation";

struct Known {
    std::string_view code, stream_error;
};

constexpr std::array<Known, 30> known{{
    {"", ""},
    {"TRUNCATED", not_well_formed},
    {"EMPTY_NODE", not_well_formed},
    {"BAD_LIST_TAG", not_well_formed},
    {"NULL_TAG", not_well_formed},
    {"NULL_KEY", not_well_formed},
    {"UNKNOWN_TOKEN", not_well_formed},
    {"LIST_AS_STRING", not_well_formed},
    {"STREAM_CTRL", not_well_formed},
    {"BAD_PACKED", not_well_formed},
    {"NESTED_JID", not_well_formed},
    {"BAD_JID", not_well_formed},
    {"BAD_NAME", not_well_formed},
    {"BAD_UTF8", "unsupported-encoding"},
    {"BAD_XML_CHAR", not_well_formed},
    {"DUP_ATTR", not_well_formed},
    {"TRAILING", not_well_formed},
    {"DEPTH", policy},
    {"TOO_MANY_NODES", policy},
    {"TOO_MANY_ATTRS", policy},
    {"FRAME_TOO_LARGE", policy},
    {"BAD_FRAME_FLAGS", not_well_formed},
    {"BAD_PROLOGUE", "unsupported-version"},
    {"INFLATE_LIMIT", policy},
    {"NAME_TOO_LONG", policy},
    {"TEXT_TOO_LARGE", policy},
    {"BAD_DEFLATE", not_well_formed},
    {"UNDECLARED_PREFIX", "bad-namespace-prefix"},
    {"BAD_NAMESPACE", not_well_formed},
    {"BAD_SLOT", not_well_formed},
}};

}   // namespace

std::string_view page_hash() noexcept { return FUNXMPP_PAGE_HASH; }

std::string_view to_string(Fault fault) noexcept { return known[static_cast<std::size_t>(fault)].code; }

std::string_view stream_error(Fault fault) noexcept { return known[static_cast<std::size_t>(fault)].stream_error; }

}   // namespace tambo::funxmpp
