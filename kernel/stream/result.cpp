#include <array>

#include <tambo/result.hpp>

namespace tambo {

namespace {

struct Named {
    std::string_view name, type;
};

// RFC 6120 §8.3.3, in the order of the enumeration. Where it leaves the type open, the cautious one is taken.
constexpr std::array<Named, 22> stanza_conditions{{
    {"bad-request", "modify"},
    {"conflict", "cancel"},
    {"feature-not-implemented", "cancel"},
    {"forbidden", "auth"},
    {"gone", "cancel"},
    {"internal-server-error", "cancel"},
    {"item-not-found", "cancel"},
    {"jid-malformed", "modify"},
    {"not-acceptable", "modify"},
    {"not-allowed", "cancel"},
    {"not-authorized", "auth"},
    {"policy-violation", "modify"},
    {"recipient-unavailable", "wait"},
    {"redirect", "modify"},
    {"registration-required", "auth"},
    {"remote-server-not-found", "cancel"},
    {"remote-server-timeout", "wait"},
    {"resource-constraint", "wait"},
    {"service-unavailable", "cancel"},
    {"subscription-required", "auth"},
    {"undefined-condition", "cancel"},
    {"unexpected-request", "wait"},
}};
static_assert(stanza_conditions.size() == static_cast<std::size_t>(Condition::unexpected_request) + 1);

constexpr std::array<std::string_view, 25> stream_conditions{
    "bad-format",
    "bad-namespace-prefix",
    "conflict",
    "connection-timeout",
    "host-gone",
    "host-unknown",
    "improper-addressing",
    "internal-server-error",
    "invalid-from",
    "invalid-namespace",
    "invalid-xml",
    "not-authorized",
    "not-well-formed",
    "policy-violation",
    "remote-connection-failed",
    "reset",
    "resource-constraint",
    "restricted-xml",
    "see-other-host",
    "system-shutdown",
    "undefined-condition",
    "unsupported-encoding",
    "unsupported-feature",
    "unsupported-stanza-type",
    "unsupported-version",
};
static_assert(stream_conditions.size() == static_cast<std::size_t>(StreamCondition::unsupported_version) + 1);

// An enumerator can only be out of range if a module was built against a later kernel; it must not cost more than a
// name.
const Named& entry(Condition condition) noexcept {
    const auto index = static_cast<std::size_t>(condition);
    return stanza_conditions[index < stanza_conditions.size()
                                 ? index
                                 : static_cast<std::size_t>(Condition::undefined_condition)];
}

}   // namespace

std::string_view to_string(Condition condition) noexcept { return entry(condition).name; }

std::string_view error_type(Condition condition) noexcept { return entry(condition).type; }

std::string_view to_string(StreamCondition condition) noexcept {
    const auto index = static_cast<std::size_t>(condition);
    return index < stream_conditions.size() ? stream_conditions[index] : "undefined-condition";
}

}   // namespace tambo
