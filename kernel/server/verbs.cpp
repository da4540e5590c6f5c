#include "server/verbs.hpp"

#include <fmt/format.h>

namespace tambo::verbs {

int say(const Call& call, Json& json) {
    call.out(json.take() + '\n');
    return done;
}

int tell(const Call& call, Json& json, std::string_view text) {
    if (call.json) return say(call, json);
    call.out(text);
    return done;
}

int report(const Call& call, std::string_view what, const Result<Nothing>& result) {
    Json json;
    json.object().member("done", result.has_value());
    if (!result) json.member("condition", to_string(result.error().condition)).member("reason", result.error().text);
    if (call.json)
        call.out(json.end().take() + '\n');
    else if (!result)
        call.out(fmt::format("{}: {} {}\n", what, to_string(result.error().condition), result.error().text));
    return result ? done : refused;
}

int refuse(const Call& call, const std::string& why) {
    Json json;
    tell(call, json.object().member("done", false).member("reason", why).end(), why + '\n');
    return refused;
}

int complain(const Call& call, const std::string& why) {
    refuse(call, why);
    return not_understood;
}

}   // namespace tambo::verbs
