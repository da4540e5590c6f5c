// Expected failures are values: an Error is something that could be sent as a stanza error.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include <tambo/export.hpp>

namespace tambo {

/// The stanza error conditions of RFC 6120 §8.3.3, in its order.
enum class Condition : std::uint8_t {
    bad_request,
    conflict,
    feature_not_implemented,
    forbidden,
    gone,
    internal_server_error,
    item_not_found,
    jid_malformed,
    not_acceptable,
    not_allowed,
    not_authorized,
    policy_violation,
    recipient_unavailable,
    redirect,
    registration_required,
    remote_server_not_found,
    remote_server_timeout,
    resource_constraint,
    service_unavailable,
    subscription_required,
    undefined_condition,
    unexpected_request,
};

/// The stream error conditions of RFC 6120 §4.9.3, in its order.
enum class StreamCondition : std::uint8_t {
    bad_format,
    bad_namespace_prefix,
    conflict,
    connection_timeout,
    host_gone,
    host_unknown,
    improper_addressing,
    internal_server_error,
    invalid_from,
    invalid_namespace,
    invalid_xml,
    not_authorized,
    not_well_formed,
    policy_violation,
    remote_connection_failed,
    reset,
    resource_constraint,
    restricted_xml,
    see_other_host,
    system_shutdown,
    undefined_condition,
    unsupported_encoding,
    unsupported_feature,
    unsupported_stanza_type,
    unsupported_version,
};

/// The element name on the wire, such as "item-not-found".
TAMBO_API std::string_view to_string(Condition) noexcept;
TAMBO_API std::string_view to_string(StreamCondition) noexcept;

/// The error type that RFC 6120 §8.3.3 pairs with a condition: "auth", "cancel", "modify" or "wait".
TAMBO_API std::string_view error_type(Condition) noexcept;

/// A stanza error that has not been sent: the condition for the machine, the text for a person (English, may be empty).
struct Error {
    Condition condition = Condition::undefined_condition;
    std::string text{};
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(Condition::forbidden, "…");` from a function that returns a Result.
inline std::unexpected<Error> fail(Condition condition, std::string text = {}) {
    return std::unexpected<Error>{Error{condition, std::move(text)}};
}

}   // namespace tambo
